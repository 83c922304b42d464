#pragma once

#include "GenmoLiveLinkSourceFactory.h"
#include "Widgets/SCompoundWidget.h"

class SEditableTextBox;

/** In Live Link's Add Source menu: URL, token, and a button. */
class SGenmoSourcePanel : public SCompoundWidget
{
public:
	SLATE_BEGIN_ARGS(SGenmoSourcePanel) : _Factory(nullptr) {}
		SLATE_ARGUMENT(const UGenmoLiveLinkSourceFactory*, Factory)
		SLATE_EVENT(ULiveLinkSourceFactory::FOnLiveLinkSourceCreated, OnCreated)
	SLATE_END_ARGS()

	void Construct(const FArguments& InArgs);

private:
	FReply Create();

	TWeakObjectPtr<const UGenmoLiveLinkSourceFactory> Factory;
	ULiveLinkSourceFactory::FOnLiveLinkSourceCreated OnCreated;
	TSharedPtr<SEditableTextBox> Url;
	TSharedPtr<SEditableTextBox> Token;
};

#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceFactory.h"
#include "GenmoLiveLinkSourceFactory.generated.h"

/**
 * Makes Live Link sources from a connection string: the stream's URL and, after a space, a token if
 * the server wants one. Part of the runtime module, so that Live Link presets work in packaged games;
 * the editor module lends it a panel.
 */
UCLASS()
class GENMORT_API UGenmoLiveLinkSourceFactory : public ULiveLinkSourceFactory
{
	GENERATED_BODY()

public:
	DECLARE_DELEGATE_RetVal_TwoParams(
		TSharedPtr<SWidget>, FBuildPanel, const UGenmoLiveLinkSourceFactory*, FOnLiveLinkSourceCreated);

	/** Bound by the editor module. */
	static FBuildPanel OnBuildPanel;

	/** A source and its connection string, as a panel gives them to FOnLiveLinkSourceCreated. */
	void Create(const FString& Url, const FString& Token, FOnLiveLinkSourceCreated OnCreated) const;

	//~ ULiveLinkSourceFactory interface
	virtual FText GetSourceDisplayName() const override;
	virtual FText GetSourceTooltip() const override;
	virtual EMenuType GetMenuType() const override;
	virtual TSharedPtr<SWidget> BuildCreationPanel(FOnLiveLinkSourceCreated OnCreated) const override;
	virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const override;
};

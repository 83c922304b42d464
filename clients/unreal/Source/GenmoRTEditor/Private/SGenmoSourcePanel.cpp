#include "SGenmoSourcePanel.h"

#include "Widgets/Input/SButton.h"
#include "Widgets/Input/SEditableTextBox.h"
#include "Widgets/Layout/SBox.h"
#include "Widgets/SBoxPanel.h"
#include "Widgets/Text/STextBlock.h"

#define LOCTEXT_NAMESPACE "GenmoRTEditor"

void SGenmoSourcePanel::Construct(const FArguments& InArgs)
{
	Factory = InArgs._Factory;
	OnCreated = InArgs._OnCreated;
	// clang-format off
	ChildSlot
	[
		SNew(SBox)
		.WidthOverride(420)
		.Padding(6)
		[
			SNew(SVerticalBox)
			+ SVerticalBox::Slot().AutoHeight().Padding(2)
			[
				SNew(STextBlock).Text(LOCTEXT("Url", "URL of the stream"))
			]
			+ SVerticalBox::Slot().AutoHeight().Padding(2)
			[
				SAssignNew(Url, SEditableTextBox)
				.Text(FText::FromString(TEXT("ws://127.0.0.1:8080/v1/streams/cam/poses")))
			]
			+ SVerticalBox::Slot().AutoHeight().Padding(2)
			[
				SNew(STextBlock).Text(LOCTEXT("Token", "Token, where the server wants one"))
			]
			+ SVerticalBox::Slot().AutoHeight().Padding(2)
			[
				SAssignNew(Token, SEditableTextBox).IsPassword(true)
			]
			+ SVerticalBox::Slot().AutoHeight().Padding(2).HAlign(HAlign_Right)
			[
				SNew(SButton)
				.Text(LOCTEXT("Add", "Add"))
				.OnClicked(this, &SGenmoSourcePanel::Create)
			]
		]
	];
	// clang-format on
}

FReply SGenmoSourcePanel::Create()
{
	if (const UGenmoLiveLinkSourceFactory* Making = Factory.Get())
	{
		Making->Create(Url->GetText().ToString(), Token->GetText().ToString(), OnCreated);
	}
	return FReply::Handled();
}

#undef LOCTEXT_NAMESPACE

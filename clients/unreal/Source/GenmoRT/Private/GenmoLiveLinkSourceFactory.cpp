#include "GenmoLiveLinkSourceFactory.h"

#include "GenmoConnection.h"
#include "GenmoLiveLinkSource.h"
#include "Widgets/SWidget.h"

#define LOCTEXT_NAMESPACE "GenmoRT"

UGenmoLiveLinkSourceFactory::FBuildPanel UGenmoLiveLinkSourceFactory::OnBuildPanel;

void UGenmoLiveLinkSourceFactory::Create(const FString& Url, const FString& Token, FOnLiveLinkSourceCreated OnCreated) const
{
	const FString ConnectionString = (Url.TrimStartAndEnd() + TEXT(" ") + Token.TrimStartAndEnd()).TrimEnd();
	OnCreated.ExecuteIfBound(CreateSource(ConnectionString), ConnectionString);
}

FText UGenmoLiveLinkSourceFactory::GetSourceDisplayName() const
{
	return LOCTEXT("SourceDisplayName", "Genmo RT");
}

FText UGenmoLiveLinkSourceFactory::GetSourceTooltip() const
{
	return LOCTEXT("SourceTooltip", "People in front of a camera, from a genmo-rt server");
}

ULiveLinkSourceFactory::EMenuType UGenmoLiveLinkSourceFactory::GetMenuType() const
{
	return OnBuildPanel.IsBound() ? EMenuType::SubPanel : EMenuType::Disabled;
}

TSharedPtr<SWidget> UGenmoLiveLinkSourceFactory::BuildCreationPanel(FOnLiveLinkSourceCreated OnCreated) const
{
	return OnBuildPanel.IsBound() ? OnBuildPanel.Execute(this, OnCreated) : TSharedPtr<SWidget>();
}

TSharedPtr<ILiveLinkSource> UGenmoLiveLinkSourceFactory::CreateSource(const FString& ConnectionString) const
{
	FString Url, Token;
	if (!ConnectionString.Split(TEXT(" "), &Url, &Token))
	{
		Url = ConnectionString;
	}
	return MakeShared<FGenmoLiveLinkSource>(MakeShared<FGenmoConnection>(Url, Token));
}

#undef LOCTEXT_NAMESPACE

#include "GenmoLiveLinkSourceFactory.h"
#include "Modules/ModuleManager.h"
#include "SGenmoSourcePanel.h"

/** Lends the Live Link source factory its panel. */
class FGenmoRTEditorModule : public IModuleInterface
{
public:
	//~ IModuleInterface
	virtual void StartupModule() override
	{
		UGenmoLiveLinkSourceFactory::OnBuildPanel.BindLambda(
			[](const UGenmoLiveLinkSourceFactory* Factory, ULiveLinkSourceFactory::FOnLiveLinkSourceCreated OnCreated)
				-> TSharedPtr<SWidget> { return SNew(SGenmoSourcePanel).Factory(Factory).OnCreated(OnCreated); });
	}

	virtual void ShutdownModule() override { UGenmoLiveLinkSourceFactory::OnBuildPanel.Unbind(); }
};

IMPLEMENT_MODULE(FGenmoRTEditorModule, GenmoRTEditor)

using UnrealBuildTool;

public class GenmoRTEditor : ModuleRules
{
	public GenmoRTEditor(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;

		PrivateDependencyModuleNames.AddRange(new[]
		{
			"Core", "CoreUObject", "Engine", "GenmoRT", "InputCore", "LiveLinkInterface", "Slate", "SlateCore"
		});
	}
}

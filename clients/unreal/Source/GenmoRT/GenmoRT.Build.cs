using UnrealBuildTool;

// Runs in packaged games: nothing of the editor may be named here.
public class GenmoRT : ModuleRules
{
	public GenmoRT(ReadOnlyTargetRules Target) : base(Target)
	{
		PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
		CppStandard = CppStandardVersion.Default;

		PublicDependencyModuleNames.AddRange(new[]
		{
			"Core", "CoreUObject", "Engine", "LiveLinkInterface", "LiveLinkAnimationCore"
		});
		PrivateDependencyModuleNames.AddRange(new[] { "SlateCore", "WebSockets" });
	}
}

using System.IO;
using UnityEditor.Build;
using UnityEditor.Build.Reporting;
using UnityEditor.UnityLinker;

namespace GenmoRT.Editor
{
    /// <summary>Hands link.xml to the linker, which reads such files in Assets alone by itself.</summary>
    sealed class LinkXml : IUnityLinkerProcessor
    {
        public int callbackOrder { get { return 0; } }

        public string GenerateAdditionalLinkXmlFile(BuildReport report, UnityLinkerBuildPipelineData data)
        {
            var package = UnityEditor.PackageManager.PackageInfo.FindForAssembly(typeof(LinkXml).Assembly);
            return package == null ? null : Path.GetFullPath(Path.Combine(package.resolvedPath, "Runtime/link.xml"));
        }
    }
}

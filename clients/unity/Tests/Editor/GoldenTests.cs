using System;
using System.Collections.Generic;
using System.IO;
using NUnit.Framework;

namespace GenmoRT.Tests
{
    /// <summary>
    /// The core's checks in Unity's Test Runner. They need the folder clients/protocol of the
    /// repository: beside this package, or named by GENMO_RT_PROTOCOL.
    /// </summary>
    public sealed class GoldenTests
    {
        static IEnumerable<TestCaseData> Checks()
        {
            var types = new[] { typeof(DecoderChecks), typeof(StreamChecks), typeof(JitterChecks), typeof(RetargetChecks) };
            foreach (var type in types)
                foreach (var method in type.GetMethods())
                    if (method.IsStatic && method.IsPublic && method.ReturnType == typeof(void))
                        yield return new TestCaseData((Action<Golden>)Delegate.CreateDelegate(typeof(Action<Golden>), method)).SetName(method.Name);
        }

        [TestCaseSource("Checks")]
        public void Core(Action<Golden> check)
        {
            var folder = Environment.GetEnvironmentVariable("GENMO_RT_PROTOCOL");
            if (string.IsNullOrEmpty(folder))
            {
                var package = UnityEditor.PackageManager.PackageInfo.FindForAssembly(typeof(GoldenTests).Assembly);
                folder = Path.Combine(package.resolvedPath, "..", "protocol");
            }
            if (!Directory.Exists(folder)) Assert.Ignore("no golden messages at " + folder + "; set GENMO_RT_PROTOCOL");
            check(new Golden(folder));
        }
    }
}

// As much of NUnit's interface as the wrapper for Unity's Test Runner uses: it compiles, no more.
using System;

namespace NUnit.Framework
{
    public sealed class TestCaseSourceAttribute : Attribute { public TestCaseSourceAttribute(string name) { } }

    public sealed class TestCaseData
    {
        public TestCaseData(params object[] arguments) { }
        public TestCaseData SetName(string name) { return this; }
    }

    public static class Assert { public static void Ignore(string message) { } }
}

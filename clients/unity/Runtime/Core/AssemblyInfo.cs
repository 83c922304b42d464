using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("GenmoRT.Tests")]

using System.Diagnostics;

namespace CnnCluster.Bench.Scale.Measuring;

/// <summary>A process of this program that measures a part, and prints it as one line of JSON.</summary>
internal sealed class PartProcess : IDisposable
{
    private readonly Process process;
    private readonly Task<string> error;

    /// <param name="words">What <see cref="ScalePartCommand"/> reads.</param>
    public PartProcess(params IEnumerable<string> words)
    {
        process = Process.Start(new ProcessStartInfo("dotnet", [typeof(PartProcess).Assembly.Location, ScalePartCommand.Name, .. words])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        error = process.StandardError.ReadToEndAsync();
    }

    public void Tell(string line)
    {
        process.StandardInput.WriteLine(line);
        process.StandardInput.Flush();
    }

    /// <exception cref="InvalidOperationException">The process failed.</exception>
    public string ReadLine()
    {
        if (process.StandardOutput.ReadLine() is { } line) return line;
        process.WaitForExit();
        throw new InvalidOperationException($"measuring failed:\n{error.Result}");
    }

    public void WaitForExit() => process.WaitForExit();

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }
}

using System.Diagnostics;

namespace CnnCluster.Bench;

/// <summary>An interpreter that has PyTorch.</summary>
/// <param name="Program">Its path.</param>
/// <param name="Version">PyTorch's.</param>
internal sealed record Python(string Program, string Version)
{
    private static readonly IReadOnlyList<string> Usual = ["python3", "/usr/bin/python3"];

    /// <summary>The interpreter that is asked for, else the first of the usual ones that has PyTorch; null where none has.</summary>
    /// <exception cref="Trainer.UserException">The one that is asked for has no PyTorch.</exception>
    public static Python? Find(string? asked)
    {
        var named = asked ?? Environment.GetEnvironmentVariable("PYTHON");
        if (string.IsNullOrEmpty(named))
        {
            return Usual.Select(Try).FirstOrDefault(static found => found is not null);
        }

        return Try(named) ?? throw new Trainer.UserException($"{named} has no PyTorch: `{named} -c 'import torch'` fails.");
    }

    private static Python? Try(string program)
    {
        var start = new ProcessStartInfo(program, ["-c", "import torch; print(torch.__version__)"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            _ = process.StandardError.ReadToEndAsync();
            var version = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? new Python(program, version) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}

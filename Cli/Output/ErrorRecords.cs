using System.Text;
using CnnCluster.Trainer.Observation;

namespace CnnCluster.Cli.Output;

/// <summary>Standard error where its lines are records of the log: what is written for the user becomes one.</summary>
internal sealed class ErrorRecords(ProcessLog log) : TextWriter
{
    private readonly StringBuilder line = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        if (value != '\n')
        {
            line.Append(value);
            return;
        }

        var whole = line.ToString().TrimEnd('\r');
        line.Clear();
        log.Say(whole);
    }

    /// <summary>A text of several lines that is written at once is one record.</summary>
    public override void WriteLine(string? value)
    {
        if (line.Length == 0) log.Say(value ?? "");
        else base.WriteLine(value);
    }
}

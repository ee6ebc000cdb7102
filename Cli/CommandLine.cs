using System.CommandLine;
using CnnCluster.Cli.Commands;

namespace CnnCluster.Cli;

/// <summary>The program's commands; docs/command-line.md has them with all of their options.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new("Describe a convolutional network in a few lines; train it on every device you have.")
    {
        TrainCommand.Create(),
        CompareCommand.Create(),
        ApplyCommand.Create(),
        CheckCommand.Create(),
        DescribeCommand.Create(),
        FmtCommand.Create(),
        EvalCommand.Create(),
        NodeCommand.Create(),
        CertCommand.Create(),
        HelpCommand.Create(),
    };
}

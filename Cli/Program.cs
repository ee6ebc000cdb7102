using System.CommandLine;
using System.CommandLine.Invocation;
using CnnCluster.Cli;
using CnnCluster.Cli.Commands;
using CnnCluster.Cli.Output;

using var interruption = Interruption.Watch();
var output = new StandardOutput(Console.Out);
Console.SetOut(output);
Console.SetError(new StandardError(Console.Error));

var root = new RootCommand("Describe a convolutional network in a few lines; train it on every device you have.")
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

// What Ctrl-C means is said elsewhere.
var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
return await Guard.RunAsync(async () =>
{
    var parse = root.Parse(args);
    if (parse.Errors.Count > 0 && parse.Action is ParseErrorAction) return WrongWords.Say(parse);
    var code = await parse.InvokeAsync(configuration);
    return output.HasFailed && code == ExitCode.Success ? ExitCode.Failed
        : code;
});

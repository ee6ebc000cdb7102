using System.CommandLine;
using System.CommandLine.Invocation;
using CnnCluster.Cli;
using CnnCluster.Cli.Output;

using var interruption = Interruption.Watch();
var output = new StandardOutput(Console.Out);
Console.SetOut(output);
Console.SetError(new StandardError(Console.Error));

var root = CommandLine.Create();

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

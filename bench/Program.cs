using System.CommandLine;
using CnnCluster.Bench;
using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;

const int failed = 1;
const int wrongInput = 2;
try
{
    var parse = BenchCommand.Create().Parse(args);
    var code = parse.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
    return parse.Errors.Count > 0 ? wrongInput : code;
}
catch (UserException e)
{
    Console.Error.WriteLine($"cnn bench: {e.Message}");
    return wrongInput;
}
catch (TorchLibraryException e)
{
    Console.Error.WriteLine($"cnn bench: {e.Message}");
    return failed;
}

using CnnCluster.Kernels.Native;
using CnnCluster.Trainer;

namespace CnnCluster.Cli;

/// <summary>Turns what went wrong into a message and an exit code.</summary>
internal static class Guard
{
    public static async Task<int> RunAsync(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (UserException e)
        {
            return Say(e.Message, ExitCode.WrongInput);
        }
        catch (WrongScriptException)
        {
            return ExitCode.WrongInput;
        }
        catch (TorchLibraryException e)
        {
            return Say(e.Message, ExitCode.Failed);
        }
        catch (OutputException e)
        {
            return Say(e.Message, ExitCode.Failed);
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
    }

    /// <summary>Says what went wrong on standard error.</summary>
    /// <returns>The code.</returns>
    public static int Say(string message, int code)
    {
        Console.Error.WriteLine($"cnn: {message}");
        return code;
    }
}

using Spectre.Console;

namespace CnnCluster.Cli.Output;

/// <summary>The bar lives on a task of its own, as Spectre's progress owns the terminal while it runs.</summary>
internal sealed class ProgressBar : IDisposable
{
    private readonly TaskCompletionSource end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ProgressTask> task = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task display;

    public ProgressBar(IAnsiConsole console) =>
        display = console.Progress().AutoClear(true).Columns(new SpinnerColumn(), new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn()).StartAsync(
            async context =>
            {
                task.SetResult(context.AddTask("waiting for the first step"));
                await end.Task;
            });

    public void Show(string description, long done, long of)
    {
        if (task.Task.IsCompletedSuccessfully)
        {
            var bar = task.Task.Result;
            bar.Description = description;
            bar.MaxValue = of;
            bar.Value = done;
        }
    }

    public void Dispose()
    {
        end.TrySetResult();
        display.Wait(TimeSpan.FromSeconds(2));
    }
}

using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// The formings of a mesh, one after the other. Whoever connects in between says who it is, so that strangers are not kept, and
/// waits for the next one: ranks begin with it when they hear of it.
/// </summary>
internal sealed class MeshFormings
{
    private readonly Lock gate = new();
    private TaskCompletionSource<MeshForming> current = NotYet();

    /// <summary>From now until what is returned is disposed of, connections are this forming's.</summary>
    public UnderWay Begin(MeshForming forming)
    {
        lock (gate)
        {
            current.SetResult(forming);
        }

        return new UnderWay(this);
    }

    /// <summary>Hears a connection's hello, as <see cref="GuardedListener.Greeter"/>.</summary>
    public async Task<string?> GreetAsync(Socket socket, Stream stream, CancellationToken patience)
    {
        var words = new byte[MeshHello.Length];
        await stream.ReadExactlyAsync(words, patience);
        Task<MeshForming> forming;
        lock (gate)
        {
            forming = current.Task;
        }

        try
        {
            await forming.WaitAsync(patience);
        }
        catch (OperationCanceledException)
        {
            return "it came while no generation formed";
        }

        return await (await forming).GreetAsync(words, new MeshSeat(socket, stream), patience);
    }

    private void End()
    {
        lock (gate)
        {
            current = NotYet();
        }
    }

    private static TaskCompletionSource<MeshForming> NotYet() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal readonly ref struct UnderWay(MeshFormings formings)
    {
        public void Dispose() => formings.End();
    }
}

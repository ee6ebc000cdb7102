using System.Collections.Concurrent;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>One forming of a mesh: this rank connects to every lower one and accepts every higher one, all at once.</summary>
internal sealed class MeshForming(
    TcpListener listener, Rank own, IReadOnlyList<(string Host, int Port)> endpoints, MeshHello hello)
{
    /// <summary>How long a connection may take to say who it is.</summary>
    private static readonly TimeSpan HelloPatience = TimeSpan.FromSeconds(2);

    /// <summary>Between two attempts to connect; a worker that starts has its listener up within moments.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>Connections whose hello is being waited for. Further ones are closed; a peer among them comes again.</summary>
    private const int MostGreetings = 1024;

    private readonly ConcurrentDictionary<int, string> obstacles = new();

    public MeshSeats Seats { get; } = new(own, endpoints.Count);

    /// <summary>The ranks that have not come, each with the last thing that went wrong with it.</summary>
    public string DescribeMissing() => string.Join("; ", Seats.Missing.Select(rank =>
        $"rank {rank} at {endpoints[rank.Value].Host}:{endpoints[rank.Value].Port}"
        + (obstacles.TryGetValue(rank.Value, out var obstacle) ? $" ({obstacle})" : "")));

    /// <summary>Completes when every seat is taken; no connection is made or accepted afterwards.</summary>
    /// <exception cref="OperationCanceledException">Not in time.</exception>
    public async Task RunAsync(CancellationToken deadline)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        var work = Enumerable.Range(0, own.Value).Select(lower => UntilEnded(token => ConnectAsync(new Rank(lower), token), ended.Token)).ToList();
        if (own.Value < endpoints.Count - 1)
        {
            work.Add(UntilEnded(AcceptAsync, ended.Token));
        }

        try
        {
            await Seats.Full.WaitAsync(deadline);
        }
        finally
        {
            await ended.CancelAsync();
            await Task.WhenAll(work);
        }
    }

    private static async Task UntilEnded(Func<CancellationToken, Task> work, CancellationToken ended)
    {
        try
        {
            await work(ended);
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The forming is over, one way or the other: RunAsync knows which.
        }
    }

    private async Task ConnectAsync(Rank rank, CancellationToken ended)
    {
        while (!await TryConnectAsync(rank, ended))
        {
            await Task.Delay(Pause, ended);
        }
    }

    private async Task<bool> TryConnectAsync(Rank rank, CancellationToken ended)
    {
        var (host, port) = endpoints[rank.Value];
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var seated = false;
        try
        {
            await socket.ConnectAsync(host, port, ended);
            await IntroduceAsync(socket, ended);
            seated = Seats.TryReserve(rank, socket);
            Seats.Confirm();
        }
        catch (Exception e) when (IsConnectionFailure(e))
        {
            obstacles[rank.Value] = e.Message;
        }
        finally
        {
            if (!seated)
            {
                socket.Dispose();
            }
        }

        return seated;
    }

    private async Task IntroduceAsync(Socket socket, CancellationToken ended)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        await stream.WriteAsync(hello.From(own), ended);
        var answer = new byte[1];
        if (await stream.ReadAsync(answer, ended) == 0 || answer[0] != MeshHello.Welcome)
        {
            throw new IOException("it turned this rank away: it may be of another generation or run");
        }
    }

    private async Task AcceptAsync(CancellationToken ended)
    {
        var greetings = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await NextAsync(ended);
                greetings.RemoveAll(static g => g.IsCompleted);
                if (socket is not null && greetings.Count < MostGreetings)
                {
                    greetings.Add(GreetAsync(socket, ended));
                }
                else
                {
                    socket?.Dispose();
                }
            }
        }
        finally
        {
            await Task.WhenAll(greetings);
        }
    }

    /// <summary>The next connection; null after one that broke while it was accepted.</summary>
    private async Task<Socket?> NextAsync(CancellationToken ended)
    {
        try
        {
            return await listener.AcceptSocketAsync(ended);
        }
        catch (Exception e) when (IsConnectionFailure(e))
        {
            // The pause keeps a lack of handles, or a listener that was just closed, from becoming a busy loop.
            await Task.Delay(Pause, ended);
            return null;
        }
    }

    /// <summary>Seats the rank that a new connection says it is from; closes a stranger's.</summary>
    private async Task GreetAsync(Socket socket, CancellationToken ended)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ended);
        patience.CancelAfter(HelloPatience);
        var seated = false;
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: false);
            var words = new byte[MeshHello.Length];
            await stream.ReadExactlyAsync(words, patience.Token);
            seated = hello.Sender(words) is { } rank && IsHigher(rank) && await WelcomeAsync(rank, socket, stream, patience.Token);
        }
        catch (Exception e) when (IsConnectionFailure(e) || e is OperationCanceledException)
        {
            // A stranger that said too little, or a peer whose connection broke: a peer comes again.
        }
        finally
        {
            if (!seated)
            {
                socket.Dispose();
            }
        }
    }

    private bool IsHigher(Rank rank) => rank.Value > own.Value && rank.Value < endpoints.Count;

    private async Task<bool> WelcomeAsync(Rank rank, Socket socket, NetworkStream stream, CancellationToken patience)
    {
        if (!Seats.TryReserve(rank, socket))
        {
            return false;
        }

        try
        {
            await stream.WriteAsync(new[] { MeshHello.Welcome }, patience);
        }
        catch
        {
            Seats.Release(rank);
            throw;
        }

        Seats.Confirm();
        return true;
    }

    private static bool IsConnectionFailure(Exception e) => e is SocketException or IOException or ObjectDisposedException;
}

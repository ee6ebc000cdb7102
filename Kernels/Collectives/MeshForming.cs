using System.Collections.Concurrent;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>One forming of a mesh: this rank connects to every lower one and greets every higher one, all at once.</summary>
internal sealed class MeshForming(IConnectionSecurity security, Rank own, IReadOnlyList<(string Host, int Port)> endpoints, MeshHello hello)
{
    /// <summary>Between two attempts to connect; a worker that starts has its listener up within moments.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<int, string> obstacles = new();

    public MeshSeats Seats { get; } = new(own, endpoints.Count);

    /// <summary>The ranks that have not come, each with the last thing that went wrong with it.</summary>
    public string DescribeMissing() => string.Join("; ", Seats.Missing.Select(rank =>
        $"rank {rank} at {endpoints[rank.Value].Host}:{endpoints[rank.Value].Port}"
        + (obstacles.TryGetValue(rank.Value, out var obstacle) ? $" ({obstacle})" : "")));

    /// <summary>Completes when every seat is taken; no connection is made afterwards, and none greeted finds a seat.</summary>
    /// <exception cref="OperationCanceledException">Not in time.</exception>
    public async Task RunAsync(CancellationToken deadline)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        var work = Enumerable.Range(0, own.Value).Select(lower => ConnectAsync(new Rank(lower), ended.Token)).ToList();
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

    private async Task ConnectAsync(Rank rank, CancellationToken ended)
    {
        try
        {
            while (!await TryConnectAsync(rank, ended))
            {
                await Task.Delay(Pause, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The forming is over, one way or the other: RunAsync knows which.
        }
    }

    private async Task<bool> TryConnectAsync(Rank rank, CancellationToken ended)
    {
        var (host, port) = endpoints[rank.Value];
        Socket? socket = null;
        var seated = false;
        try
        {
            (var connection, socket) = await SocketStream.ConnectLookingAsync(host, port, ended);
            var stream = await security.ConnectAsync(connection, host, ended);
            await IntroduceAsync(stream, ended);
            seated = Seats.TryReserve(rank, new MeshSeat(socket, stream));
            Seats.Confirm();
        }
        catch (Exception e) when (!(e is OperationCanceledException && ended.IsCancellationRequested))
        {
            // Whatever it is, be it an address that is none: this rank is well, and knows which one it lacks.
            obstacles[rank.Value] = e.Message;
        }
        finally
        {
            if (!seated) socket?.Dispose();
        }

        return seated;
    }

    private async Task IntroduceAsync(Stream stream, CancellationToken ended)
    {
        await stream.WriteAsync(hello.From(own), ended);
        var answer = new byte[1];
        if (await stream.ReadAsync(answer, ended) == 0 || answer[0] != MeshHello.Welcome)
        {
            throw new IOException("it turned this rank away: it may be of another generation or run");
        }
    }

    /// <summary>Seats the rank that a new connection says it is from.</summary>
    /// <param name="words">What it says: as many bytes as a hello has.</param>
    /// <param name="seat">The connection.</param>
    /// <param name="patience">Bounds the answer.</param>
    /// <returns>Null where it has a seat; else why not.</returns>
    public async Task<string?> GreetAsync(byte[] words, MeshSeat seat, CancellationToken patience)
    {
        if (hello.Sender(words) is not { } rank) return "it showed another generation or another token than this one's";
        if (rank.Value <= own.Value || rank.Value >= endpoints.Count) return $"it said that it is rank {rank} of {endpoints.Count}";
        return await WelcomeAsync(rank, seat, patience) ? null : $"it said that it is rank {rank}, which is here already";
    }

    private async Task<bool> WelcomeAsync(Rank rank, MeshSeat seat, CancellationToken patience)
    {
        if (!Seats.TryReserve(rank, seat))
        {
            return false;
        }

        try
        {
            await seat.Stream.WriteAsync(new[] { MeshHello.Welcome }, patience);
        }
        catch
        {
            Seats.Release(rank);
            throw;
        }

        Seats.Confirm();
        return true;
    }
}

using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>A connection of a mesh: the socket, and the stream that its security made of it.</summary>
internal sealed record MeshSeat(Socket Socket, Stream Stream) : IDisposable
{
    public void Dispose()
    {
        // The socket first: a stream that would say farewell must not wait for it.
        Socket.Dispose();
        Stream.Dispose();
    }
}

/// <summary>The connections of a mesh that is forming: one seat for each other rank.</summary>
internal sealed class MeshSeats(Rank own, int world)
{
    private readonly Lock gate = new();
    private readonly MeshSeat?[] seats = new MeshSeat?[world];
    private readonly TaskCompletionSource full = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int welcomed;
    private bool isClosed;

    /// <summary>Completes when every other rank has been welcomed.</summary>
    public Task Full => full.Task;

    /// <summary>The ranks without a connection.</summary>
    public IReadOnlyList<Rank> Missing
    {
        get
        {
            lock (gate)
            {
                return [.. Enumerable.Range(0, world).Where(r => r != own.Value && seats[r] is null).Select(static r => new Rank(r))];
            }
        }
    }

    /// <summary>Keeps a seat for a rank's connection; false if the rank has one already, or the forming is over.</summary>
    public bool TryReserve(Rank rank, MeshSeat seat)
    {
        lock (gate)
        {
            if (isClosed || seats[rank.Value] is not null)
            {
                return false;
            }

            seats[rank.Value] = seat;
            return true;
        }
    }

    /// <summary>Gives a reserved seat back, when its connection broke before it was welcomed.</summary>
    public void Release(Rank rank)
    {
        lock (gate)
        {
            seats[rank.Value] = null;
        }
    }

    /// <summary>Counts a reserved seat's connection as made.</summary>
    public void Confirm()
    {
        if (Interlocked.Increment(ref welcomed) == world - 1)
        {
            full.SetResult();
        }
    }

    /// <summary>The connections in rank order; call when all are made.</summary>
    public TcpPeer?[] Peers(TimeSpan patience)
    {
        var pump = new TcpPump(world);
        return [.. seats.Select((seat, rank) => seat is null ? null : new TcpPeer(new Rank(rank), seat, patience, pump))];
    }

    public void CloseAll()
    {
        lock (gate)
        {
            isClosed = true;
            Array.ForEach(seats, static seat => seat?.Dispose());
        }
    }
}

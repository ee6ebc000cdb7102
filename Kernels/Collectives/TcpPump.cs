using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Sends what a rank has for its peers while it waits for any of them: who waits for one must not keep what another one
/// waits for.
/// </summary>
/// <param name="world">The ranks that share this host's cores, as far as is known: all.</param>
internal sealed class TcpPump(int world)
{
    private readonly long lookingTicks = LookingAgain.TicksOf(world);
    private readonly List<PumpedOutbox> outboxes = [];
    private readonly List<Socket> toRead = [];
    private readonly List<Socket> toWrite = [];

    /// <summary>How one looks again before one sleeps.</summary>
    public LookingAgain Looking => new(lookingTicks);

    public void Add(PumpedOutbox outbox) => outboxes.Add(outbox);

    /// <summary>Sends what the sockets take now.</summary>
    /// <returns>Whether that was anything.</returns>
    public bool Progress()
    {
        var hasSent = false;
        foreach (var outbox in outboxes)
        {
            hasSent |= outbox.Progress();
        }

        return hasSent;
    }

    /// <summary>Receives at least so many bytes, and sends meanwhile.</summary>
    /// <returns>How many came; fewer than the least only where the other side has ended the connection.</returns>
    /// <exception cref="SocketException">The connection is broken, or nothing came in time.</exception>
    public int Receive(Socket socket, Span<byte> into, int least, TimeSpan patience)
    {
        var looking = Looking;
        var count = 0;
        while (count < least)
        {
            var came = socket.Receive(into[count..], SocketFlags.None, out var error);
            if (error == SocketError.Success)
            {
                if (came == 0) break;
                count += came;
                looking = Looking;
            }
            else if (error != SocketError.WouldBlock)
            {
                throw new SocketException((int)error);
            }
            else if (Progress())
            {
                looking = Looking;
            }
            else if (!looking.Again() && !Sleep(socket, patience))
            {
                throw new SocketException((int)SocketError.TimedOut);
            }
        }

        return count;
    }

    /// <summary>Sleeps until something can be sent, or received from one socket.</summary>
    /// <returns>False when that took longer than the patience.</returns>
    public bool Sleep(Socket? socket, TimeSpan patience)
    {
        toRead.Clear();
        toWrite.Clear();
        if (socket is not null) toRead.Add(socket);
        foreach (var outbox in outboxes)
        {
            if (!outbox.IsEmpty) toWrite.Add(outbox.Socket);
        }

        // What was to be sent has ended with its connection.
        if (toRead.Count + toWrite.Count == 0) return true;
        try
        {
            Socket.Select(toRead, toWrite, null, patience);
            return toRead.Count + toWrite.Count > 0;
        }
        catch (ObjectDisposedException)
        {
            // One of them was closed meanwhile: whoever uses it next says so.
            return true;
        }
    }
}

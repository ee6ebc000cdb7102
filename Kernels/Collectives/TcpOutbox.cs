using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>Messages on their way into a connection, from where they lie, by a thread that begins with the first.</summary>
internal sealed class TcpOutbox(Stream stream, string name) : IDisposable
{
    /// <summary>So much of a message is copied behind its header: a write less, and the other side is not woken for a header alone.</summary>
    private const int SentWithHeader = 8 * 1024;

    /// <summary>How long a failed operation lets what is under way to a sound peer arrive.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(200);

    private readonly object gate = new();
    private readonly Queue<(MessageHeader Header, Pieces Pieces)> waiting = [];
    private readonly byte[] start = new byte[MessageHeader.Size + SentWithHeader];
    private Thread? thread;
    private int unsent;
    private bool closed;

    /// <summary>Why nothing is sent any more.</summary>
    public Exception? Failure { get; private set; }

    public bool IsEmpty
    {
        get
        {
            lock (gate) return unsent == 0;
        }
    }

    public void Add(MessageHeader header, Pieces pieces)
    {
        lock (gate)
        {
            unsent++;
            waiting.Enqueue((header, pieces));
            Monitor.PulseAll(gate);
            if (thread is not null) return;
            thread = new Thread(Run) { IsBackground = true, Name = name };
            thread.Start();
        }
    }

    /// <summary>Returns when at most so many messages are unsent.</summary>
    /// <returns>False if that took longer than the patience.</returns>
    public bool AwaitSent(int most, TimeSpan patience)
    {
        lock (gate)
        {
            var deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
            while (unsent > most)
            {
                var left = deadline - Environment.TickCount64;
                if (left <= 0 || !Monitor.Wait(gate, (int)left)) return unsent <= most;
            }

            return true;
        }
    }

    /// <summary>Returns when nothing is sent any more; what the peer does not take quickly is cut off with the connection.</summary>
    /// <param name="cut">Ends the connection.</param>
    public void Settle(Action cut)
    {
        if (AwaitSent(0, Grace)) return;
        cut();
        lock (gate)
        {
            while (unsent > 0)
            {
                Monitor.Wait(gate);
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            closed = true;
            Monitor.PulseAll(gate);
        }

        thread?.Join();
    }

    private void Run()
    {
        while (Next(out var message))
        {
            try
            {
                if (Failure is null) Write(message.Header, message.Pieces);
            }
            catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
            {
                Failure = e;
            }

            lock (gate)
            {
                unsent--;
                Monitor.PulseAll(gate);
            }
        }
    }

    private bool Next(out (MessageHeader Header, Pieces Pieces) message)
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !closed)
            {
                Monitor.Wait(gate);
            }

            return waiting.TryDequeue(out message);
        }
    }

    private void Write(MessageHeader header, Pieces pieces)
    {
        header.WriteTo(start);
        var early = Math.Min(pieces.Length, SentWithHeader);
        if (pieces.Count > 0) pieces[0][..early].CopyTo(start.AsSpan(MessageHeader.Size));
        stream.Write(start.AsSpan(0, MessageHeader.Size + early));
        for (var piece = 0; piece < pieces.Count; piece++)
        {
            stream.Write(piece == 0 ? pieces[piece][early..] : pieces[piece]);
        }
    }
}

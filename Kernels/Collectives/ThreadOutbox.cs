using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Messages on their way through a stream that has one way alone to be written to, which waits: by a thread that begins
/// with the first.
/// </summary>
internal sealed class ThreadOutbox(Stream stream, string name) : TcpOutbox
{
    private readonly object gate = new();
    private readonly Queue<(MessageHeader Header, Pieces Pieces)> waiting = [];
    private Thread? thread;
    private int unsent;
    private bool closed;

    public override bool IsEmpty
    {
        get
        {
            lock (gate) return unsent == 0;
        }
    }

    public override void Add(MessageHeader header, Pieces pieces)
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

    public override bool AwaitSent(int most, TimeSpan patience)
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

    public override void Settle(Action cut)
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

    public override void Dispose()
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
        var start = Start(header, pieces);
        stream.Write(start);
        var early = start.Length - MessageHeader.Size;
        for (var piece = 0; piece < pieces.Count; piece++)
        {
            stream.Write(piece == 0 ? pieces[piece][early..] : pieces[piece]);
        }
    }
}

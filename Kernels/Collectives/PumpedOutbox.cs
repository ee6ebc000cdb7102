using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Messages on their way into a socket, by whoever waits for something: no thread of its own has to be woken, or takes the
/// core of one that sums. All calls are the operating thread's, but <see cref="Dispose"/>.
/// </summary>
internal sealed class PumpedOutbox : TcpOutbox
{
    private readonly Socket socket;
    private readonly TcpPump pump;
    private readonly Queue<(MessageHeader Header, Pieces Pieces)> waiting = [];
    private int startLength;
    private int sentOfStart;
    private int piece;
    private int sentOfPiece;

    /// <param name="socket">One that does not block.</param>
    /// <param name="pump">Its rank's.</param>
    public PumpedOutbox(Socket socket, TcpPump pump)
    {
        (this.socket, this.pump) = (socket, pump);
        pump.Add(this);
    }

    public override bool IsEmpty => waiting.Count == 0;

    public Socket Socket => socket;

    public override void Add(MessageHeader header, Pieces pieces)
    {
        if (Failure is not null) return;
        waiting.Enqueue((header, pieces));
        if (waiting.Count == 1) Begin();
        Progress();
    }

    public override bool AwaitSent(int most, TimeSpan patience)
    {
        var deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        var looking = pump.Looking;
        while (waiting.Count > most)
        {
            var left = deadline - Environment.TickCount64;
            if (left <= 0) return false;
            if (pump.Progress()) looking = pump.Looking;
            else if (waiting.Count > most && !looking.Again()) pump.Sleep(null, TimeSpan.FromMilliseconds(left));
        }

        return true;
    }

    public override void Settle(Action cut)
    {
        if (AwaitSent(0, Grace)) return;
        cut();
        waiting.Clear();
    }

    public override void Dispose()
    {
    }

    /// <summary>Sends what the socket takes now.</summary>
    /// <returns>Whether that was anything.</returns>
    public bool Progress()
    {
        var hasSent = false;
        try
        {
            while (waiting.Count > 0 && SendSome())
            {
                hasSent = true;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Failure = e;
            waiting.Clear();
        }

        return hasSent;
    }

    private void Begin()
    {
        if (!waiting.TryPeek(out var message)) return;
        startLength = Start(message.Header, message.Pieces).Length;
        sentOfStart = piece = 0;
        sentOfPiece = startLength - MessageHeader.Size;
    }

    private bool SendSome()
    {
        var pieces = waiting.Peek().Pieces;
        var isStart = sentOfStart < startLength;
        var due = isStart ? Begun[sentOfStart..startLength] : piece < pieces.Count ? pieces[piece][sentOfPiece..] : [];
        var count = socket.Send(due, SocketFlags.None, out var error);
        if (error == SocketError.WouldBlock) return false;
        if (error != SocketError.Success) throw new SocketException((int)error);
        if (isStart) sentOfStart += count;
        else sentOfPiece += count;
        Advance(pieces);
        return true;
    }

    /// <summary>Goes past pieces that have left, and past the message behind its last one.</summary>
    private void Advance(Pieces pieces)
    {
        if (sentOfStart < startLength) return;
        while (piece < pieces.Count && sentOfPiece == pieces.Length)
        {
            piece++;
            sentOfPiece = 0;
        }

        if (piece < pieces.Count) return;
        waiting.Dequeue();
        Begin();
    }
}

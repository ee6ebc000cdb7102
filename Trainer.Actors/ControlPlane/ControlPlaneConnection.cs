using System.Buffers;
using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Remote.Transport;
using Google.Protobuf;

namespace CnnCluster.Trainer.ControlPlane;

/// <summary>
/// A connection that was let in, as Akka uses it. On the wire a message is a 32-bit little-endian length and that many bytes.
/// </summary>
internal sealed class ControlPlaneConnection : AssociationHandle, IDisposable
{
    /// <summary>Of a message, with what Akka's protocol puts around it.</summary>
    public const int LongestFrame = ControlPlaneTransport.LongestMessage + 1_000;

    private const int LengthBytes = 4;

    /// <summary>Messages that wait to be sent; Akka keeps and tries again what is one too many.</summary>
    private const int MostWaiting = 10_000;

    /// <summary>And their bytes. Where nothing waits, one message may always.</summary>
    private const int MostWaitingBytes = 4 * LongestFrame;

    /// <summary>What is sent at once, as far as there is that much.</summary>
    private const int Gathered = 1 << 16;

    /// <summary>Of the memory in which messages are gathered, what is kept for the next ones; few are longer.</summary>
    private const int MostKept = 4 * Gathered;

    /// <summary>What a message's length alone gets of memory; more comes as its bytes do.</summary>
    private const int FirstPiece = 1 << 17;

    /// <summary>How long the last messages may take, and the other side's.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    private readonly Channel<ByteString> outgoing =
        Channel.CreateBounded<ByteString>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });

    private readonly CancellationTokenSource closing = new();
    private readonly Socket socket;
    private readonly Stream stream;
    private readonly Action<string> broken;
    private readonly Action<string> unsent;
    private volatile bool isLeft;

    /// <summary>Bytes of messages that are still to be sent.</summary>
    private long waiting;

    /// <param name="own">This process.</param>
    /// <param name="remote">The other one, as far as it is known.</param>
    /// <param name="socket">The connection owns it.</param>
    /// <param name="stream">What security made of it.</param>
    /// <param name="broken">Hears why what came over it makes no sense.</param>
    /// <param name="unsent">Hears why a message does not go over it.</param>
    public ControlPlaneConnection(Address own, Address remote, Socket socket, Stream stream, Action<string> broken, Action<string> unsent)
        : base(own, remote)
    {
        (this.socket, this.stream, this.broken, this.unsent) = (socket, stream, broken, unsent);

        // Akka completes it on an actor's thread, which is not to read from a socket then.
        ReadHandlerSource = new TaskCompletionSource<IHandleEventListener>(TaskCreationOptions.RunContinuationsAsynchronously);
        Ended = Task.Run(RunAsync);
    }

    /// <summary>Completes when the connection is closed.</summary>
    public Task Ended { get; }

    /// <summary>Takes a message to be sent.</summary>
    /// <returns>False where too much waits already: Akka tries again.</returns>
    public override bool Write(ByteString payload)
    {
        if (payload.Length > LongestFrame)
        {
            unsent($"it is of {payload.Length} bytes, where {LongestFrame} are allowed");
            return true;
        }

        var all = Interlocked.Add(ref waiting, payload.Length);
        if ((all == payload.Length || all <= MostWaitingBytes) && outgoing.Writer.TryWrite(payload)) return true;
        Interlocked.Add(ref waiting, -payload.Length);
        return false;
    }

    // Akka has marked the method as obsolete for those who call it; it is still the one that a transport has to have.
#pragma warning disable CS0672
    public override void Disassociate() => End();
#pragma warning restore CS0672

    /// <summary>Closes the connection when what waits has been sent, within a second. As often as wanted.</summary>
    public void End()
    {
        isLeft = true;
        Leave();
    }

    /// <summary>Closes the connection at once.</summary>
    public void Dispose()
    {
        isLeft = true;
        outgoing.Writer.TryComplete();
        closing.Cancel();
    }

    private async Task RunAsync()
    {
        // Whatever is under way then ends.
        await using (closing.Token.Register(socket.Dispose))
        {
            await Task.WhenAll(ReadAsync(), WriteAsync());
        }

        // The socket first: a stream that would say farewell must not wait for it.
        socket.Dispose();
        await stream.DisposeAsync();
    }

    /// <summary>What is still to be sent goes out, and no more comes behind it.</summary>
    private void Leave()
    {
        outgoing.Writer.TryComplete();
        closing.CancelAfter(Farewell);
    }

    private async Task ReadAsync()
    {
        try
        {
            var listener = await ReadHandlerSource.Task.WaitAsync(closing.Token);
            await ListenAsync(listener);
            listener.Notify(new Disassociated(DisassociateInfo.Unknown));
        }
        catch (OperationCanceledException)
        {
            // Closed before anybody wanted to hear what comes.
        }

        Leave();
    }

    private async Task ListenAsync(IHandleEventListener listener)
    {
        try
        {
            while (await NextAsync() is { } payload)
            {
                if (!isLeft && payload.Length > 0) listener.Notify(new InboundPayload(payload));
            }
        }
        catch (InvalidDataException e)
        {
            broken(e.Message);
        }
        catch (Exception e) when (IsFailure(e))
        {
            // The other side is gone, or this one: what Akka hears of is that there is no connection any more.
        }
    }

    /// <summary>The next message; null where the other side has ended.</summary>
    /// <exception cref="InvalidDataException">What came is no message.</exception>
    private async Task<ByteString?> NextAsync()
    {
        var header = new byte[LengthBytes];
        var count = await stream.ReadAtLeastAsync(header, LengthBytes, throwOnEndOfStream: false, closing.Token);
        if (count == 0) return null;
        if (count < LengthBytes) throw new InvalidDataException("it broke off within a message");
        var length = BinaryPrimitives.ReadInt32LittleEndian(header);
        if (length is < 0 or > LongestFrame) throw new InvalidDataException($"it sent a message of {length} bytes, where 0 to {LongestFrame} are allowed");
        return UnsafeByteOperations.UnsafeWrap(await PayloadAsync(length));
    }

    /// <summary>Takes memory as bytes come: a length that is only said costs little.</summary>
    private async Task<byte[]> PayloadAsync(int length)
    {
        var payload = new byte[Math.Min(length, FirstPiece)];
        for (var came = 0; ; Array.Resize(ref payload, Math.Min(length, 2 * came)))
        {
            var lacking = payload.Length - came;
            if (await stream.ReadAtLeastAsync(payload.AsMemory(came), lacking, throwOnEndOfStream: false, closing.Token) < lacking)
            {
                throw new InvalidDataException("it broke off within a message");
            }

            came = payload.Length;
            if (came == length) return payload;
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            var gathered = new ArrayBufferWriter<byte>();
            while (await outgoing.Reader.WaitToReadAsync(closing.Token))
            {
                gathered.ResetWrittenCount();
                while (gathered.WrittenCount < Gathered && outgoing.Reader.TryRead(out var payload)) Append(gathered, payload);
                await stream.WriteAsync(gathered.WrittenMemory, closing.Token);
                if (gathered.Capacity > MostKept) gathered = new ArrayBufferWriter<byte>();
            }

            // The other side reads what was sent last, and then the end; closing at once could take the former from it.
            if (stream is SslStream secure) await secure.ShutdownAsync();
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (IsFailure(e))
        {
            await closing.CancelAsync();
        }
    }

    private void Append(ArrayBufferWriter<byte> gathered, ByteString payload)
    {
        Interlocked.Add(ref waiting, -payload.Length);
        BinaryPrimitives.WriteInt32LittleEndian(gathered.GetSpan(LengthBytes), payload.Length);
        gathered.Advance(LengthBytes);
        gathered.Write(payload.Span);
    }

    private static bool IsFailure(Exception e) =>
        e is IOException or SocketException or ObjectDisposedException or OperationCanceledException;
}

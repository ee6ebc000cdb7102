using System.Net;
using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A connected socket as a stream whose calls wait on the caller's own thread: once a socket has been used
/// asynchronously, as in forming a mesh, .NET's blocking calls wait for a thread that serves all sockets, which costs two
/// changes of thread for every wait. Its asynchronous calls have no time-outs.
/// </summary>
public sealed class SocketStream : Stream
{
    /// <summary>In front of the first second look, and the longest in front of a later one.</summary>
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1), LongestPause = TimeSpan.FromMilliseconds(10);

    private readonly Socket socket;

    /// <param name="socket">The stream owns it.</param>
    public SocketStream(Socket socket)
    {
        this.socket = socket;
        socket.Blocking = false;
    }

    /// <summary>
    /// Asynchronous calls look again every few milliseconds, in place of being woken by the thread that .NET has for all sockets:
    /// from the first such call on, that thread wakes with every packet of a socket, for blocking calls in vain.
    /// </summary>
    public bool LooksAgain { get; init; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override bool CanTimeout => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Milliseconds.</summary>
    public override int ReadTimeout { get; set; } = Timeout.Infinite;

    /// <summary>Milliseconds.</summary>
    public override int WriteTimeout { get; set; } = Timeout.Infinite;

    public override int Read(Span<byte> buffer)
    {
        while (true)
        {
            var count = socket.Receive(buffer, SocketFlags.None, out var error);
            if (error == SocketError.Success) return count;
            Await(error, SelectMode.SelectRead, ReadTimeout);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var count = socket.Send(buffer, SocketFlags.None, out var error);
            if (error == SocketError.Success) buffer = buffer[count..];
            else Await(error, SelectMode.SelectWrite, WriteTimeout);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <exception cref="IOException">The connection is broken.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (LooksAgain) return await ReadLookingAsync(buffer, cancellationToken);
        try
        {
            return await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
        }
        catch (SocketException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <exception cref="IOException">The connection is broken.</exception>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (LooksAgain)
        {
            await WriteLookingAsync(buffer, cancellationToken);
            return;
        }

        try
        {
            while (buffer.Length > 0)
            {
                buffer = buffer[await socket.SendAsync(buffer, SocketFlags.None, cancellationToken)..];
            }
        }
        catch (SocketException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Connects to the first of a host's addresses that takes it.</summary>
    /// <param name="host">A name or an address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>A stream that <see cref="LooksAgain"/>, and its socket.</returns>
    /// <exception cref="SocketException">No address took it, or the host has none.</exception>
    /// <exception cref="OperationCanceledException">Not in time.</exception>
    public static async Task<(SocketStream Stream, Socket Socket)> ConnectLookingAsync(string host, int port, CancellationToken cancellationToken)
    {
        var refusal = new SocketException((int)SocketError.HostNotFound);
        foreach (var address in await Dns.GetHostAddressesAsync(host, cancellationToken))
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                var stream = new SocketStream(socket) { LooksAgain = true };
                await ConnectLookingAsync(socket, new IPEndPoint(address, port), cancellationToken);
                return (stream, socket);
            }
            catch (SocketException e)
            {
                socket.Dispose();
                refusal = e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw refusal;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) socket.Dispose();
        base.Dispose(disposing);
    }

    private static async Task ConnectLookingAsync(Socket socket, IPEndPoint endpoint, CancellationToken cancellation)
    {
        try
        {
            socket.Connect(endpoint);
            return;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
        {
            // It is under way.
        }

        for (var pause = ShortestPause; !socket.Poll(TimeSpan.Zero, SelectMode.SelectWrite); pause = await PauseAsync(pause, cancellation))
        {
            if (socket.Poll(TimeSpan.Zero, SelectMode.SelectError)) break;
        }

        var error = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
        if (error != 0) throw new SocketException(error);
    }

    private async Task<int> ReadLookingAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        for (var pause = ShortestPause; ; pause = await PauseAsync(pause, cancellation))
        {
            var count = socket.Receive(buffer.Span, SocketFlags.None, out var error);
            if (error == SocketError.Success) return count;
            if (error != SocketError.WouldBlock) throw Broken(error);
        }
    }

    private async Task WriteLookingAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        for (var pause = ShortestPause; ; pause = await PauseAsync(pause, cancellation))
        {
            var count = socket.Send(buffer.Span, SocketFlags.None, out var error);
            if (error == SocketError.Success) buffer = buffer[count..];
            else if (error != SocketError.WouldBlock) throw Broken(error);
            if (buffer.IsEmpty) return;
        }
    }

    /// <summary>Waits, and gives the next wait's length.</summary>
    private static async Task<TimeSpan> PauseAsync(TimeSpan pause, CancellationToken cancellation)
    {
        await Task.Delay(pause, cancellation);
        return pause < LongestPause ? 2 * pause : pause;
    }

    /// <summary>Returns when it is worth trying again.</summary>
    /// <exception cref="IOException">The connection is broken, or nothing happened in time.</exception>
    private void Await(SocketError error, SelectMode mode, int milliseconds)
    {
        if (error != SocketError.WouldBlock) throw Broken(error);
        var limit = milliseconds == Timeout.Infinite ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(milliseconds);
        if (!socket.Poll(limit, mode)) throw Broken(SocketError.TimedOut);
    }

    private static IOException Broken(SocketError error)
    {
        var cause = new SocketException((int)error);
        return new IOException(cause.Message, cause);
    }
}

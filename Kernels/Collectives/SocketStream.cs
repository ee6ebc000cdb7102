using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// A connected socket as a stream whose calls wait on the caller's own thread: once a socket has been used
/// asynchronously, as in forming a mesh, .NET's blocking calls wait for a thread that serves all sockets, which costs two
/// changes of thread for every wait. Its asynchronous calls are the socket's, without time-outs.
/// </summary>
public sealed class SocketStream : Stream
{
    private readonly Socket socket;

    /// <param name="socket">The stream owns it.</param>
    public SocketStream(Socket socket)
    {
        this.socket = socket;
        socket.Blocking = false;
    }

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

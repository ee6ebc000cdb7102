using System.Net.Sockets;

namespace CnnCluster.Kernels.Collectives;

/// <summary>
/// Accepts connections and lets in those that pass their security and say what they must. Strangers are bounded in number
/// and in time: one too many displaces the one that has kept silent longest, so that a crowd of them keeps no member out,
/// who is through within moments.
/// </summary>
/// <param name="listener">Listens already. Its owner closes it.</param>
/// <param name="security">How connections are opened.</param>
/// <param name="what">What is listened for, in the words of a <see cref="Refusal"/>.</param>
/// <param name="refused">Hears of each connection that is turned away.</param>
public sealed class GuardedListener(TcpListener listener, IConnectionSecurity security, string what, Action<Refusal> refused)
{
    /// <summary>Connections at a time that have not shown yet who they are.</summary>
    public const int MostStrangers = 256;

    /// <summary>How long a connection may take to be opened and to say who it is: a handshake takes milliseconds, on a machine that has other work too.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    /// <summary>Keeps a lack of handles, or a listener that was just closed, from becoming a busy loop.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    private readonly LinkedList<Stranger> strangers = [];

    /// <summary>Whether its connections' streams <see cref="SocketStream.LooksAgain"/>.</summary>
    public bool LooksAgain { get; init; }

    /// <summary>Hears what a new connection says.</summary>
    /// <returns>Null where the connection is let in, and is the greeter's from now on; else why it is not.</returns>
    public delegate Task<string?> Greeter(Socket socket, Stream stream, CancellationToken patience);

    /// <summary>Accepts until it is cancelled; when it returns, every connection is the greeter's or closed.</summary>
    public async Task RunAsync(Greeter greet, CancellationToken ended)
    {
        var greetings = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await NextAsync(ended);
                greetings.RemoveAll(static g => g.IsCompleted);
                if (socket is not null) greetings.Add(MeetAsync(new Stranger(socket, ended), greet, ended));
            }
        }
        catch (Exception e) when (ended.IsCancellationRequested && (e is OperationCanceledException or InvalidOperationException || IsFailure(e)))
        {
            // The caller knows why; whichever is seen first, that it is to end or that the listener does not listen any more: closed
            // within the call that accepts, its socket has failed.
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
        catch (Exception e) when (IsFailure(e) && !ended.IsCancellationRequested)
        {
            await Task.Delay(Pause, ended);
            return null;
        }
    }

    private async Task MeetAsync(Stranger stranger, Greeter greet, CancellationToken ended)
    {
        Enter(stranger);
        var why = "";
        try
        {
            why = await stranger.GreetAsync(security, LooksAgain, greet);
        }
        catch (OperationCanceledException)
        {
            why = stranger.WasDisplaced ? "it had not shown who it is when too many others came" : $"it did not show who it is within {Patience.TotalSeconds:0} s";
        }
        catch (Exception e) when (IsFailure(e))
        {
            why = e is EndOfStreamException ? "it broke off before it had shown who it is" : e.Message;
        }
        finally
        {
            Leave(stranger, isLetIn: why is null);
        }

        if (why is not null && !ended.IsCancellationRequested) refused(new Refusal(stranger.From, what, why));
    }

    private void Enter(Stranger stranger)
    {
        Stranger? displaced = null;
        lock (strangers)
        {
            strangers.AddLast(stranger);
            if (strangers.Count > MostStrangers)
            {
                displaced = strangers.First!.Value;
                strangers.RemoveFirst();
            }
        }

        displaced?.Displace();
    }

    private void Leave(Stranger stranger, bool isLetIn)
    {
        lock (strangers)
        {
            strangers.Remove(stranger);
        }

        stranger.Leave(isLetIn);
    }

    internal static bool IsFailure(Exception e) => e is SocketException or IOException or ObjectDisposedException;

    private sealed class Stranger
    {
        private readonly Socket socket;
        private readonly CancellationTokenSource patience;
        private readonly Lock gate = new();
        private bool hasLeft;

        public Stranger(Socket socket, CancellationToken ended)
        {
            this.socket = socket;
            From = NameOf(socket);
            patience = CancellationTokenSource.CreateLinkedTokenSource(ended);
            patience.CancelAfter(Patience);
        }

        public string From { get; }

        public bool WasDisplaced { get; private set; }

        public async Task<string?> GreetAsync(IConnectionSecurity security, bool looksAgain, Greeter greet)
        {
            socket.NoDelay = true;
            var stream = await security.AcceptAsync(new SocketStream(socket) { LooksAgain = looksAgain }, patience.Token);
            return await greet(socket, stream, patience.Token);
        }

        public void Displace()
        {
            lock (gate)
            {
                if (hasLeft) return;
                WasDisplaced = true;
                _ = patience.CancelAsync();
            }
        }

        public void Leave(bool isLetIn)
        {
            lock (gate)
            {
                hasLeft = true;
                patience.Dispose();
            }

            if (!isLetIn) socket.Dispose();
        }

        private static string NameOf(Socket socket)
        {
            try
            {
                return socket.RemoteEndPoint?.ToString() ?? "an unknown address";
            }
            catch (Exception e) when (IsFailure(e))
            {
                return "an address that is gone";
            }
        }
    }
}

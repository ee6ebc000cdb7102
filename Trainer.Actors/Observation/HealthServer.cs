using System.Net;
using System.Net.Sockets;
using CnnCluster.Kernels.Collectives;
using CnnCluster.Trainer.Hosting;
using Microsoft.Extensions.Logging;

namespace CnnCluster.Trainer.Observation;

/// <summary>
/// Answers orchestrators by HTTP: <c>/healthz</c>, 200 while all that runs here moves, and <c>/readyz</c>, 200 while this process
/// has a part in a generation that works; else 503. Both with a report in JSON.
/// </summary>
/// <remarks>One request a connection; connections are bounded in number and time as all others are, and requests in length.</remarks>
public sealed class HealthServer : IDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource ending = new();
    private readonly ProcessObservation observation;
    private readonly Task accepting;

    private HealthServer(TcpListener listener, ProcessObservation observation)
    {
        (this.listener, this.observation) = (listener, observation);
        accepting = new GuardedListener(listener, PlainConnections.Instance, "health", Note).RunAsync(AnswerAsync, ending.Token);
    }

    /// <summary>Where it is asked, as HOST:PORT.</summary>
    public string Address => listener.LocalEndpoint.ToString()!;

    /// <param name="text">HOST:PORT, or a port of loopback alone; port 0 takes one that is free.</param>
    /// <param name="observation">What is told.</param>
    /// <exception cref="UserException">It is no address of this machine, or the port is taken.</exception>
    public static HealthServer Start(string text, ProcessObservation observation)
    {
        var address = AddressOf(text);
        var listener = new TcpListener(address);
        try
        {
            listener.Start();
        }
        catch (SocketException e)
        {
            listener.Dispose();
            throw new UserException($"--health {text}: {address} cannot be listened at: {e.Message}", e);
        }

        return new HealthServer(listener, observation);
    }

    public void Dispose()
    {
        ending.Cancel();
        listener.Dispose();
        accepting.GetAwaiter().GetResult();
        ending.Dispose();
    }

    private static IPEndPoint AddressOf(string text)
    {
        if ((JoinTicket.TryParseAddress(text) ?? JoinTicket.TryParseAddress($"{IPAddress.Loopback}:{text}")) is not { } named)
        {
            throw new UserException($"--health takes HOST:PORT or a port, such as 127.0.0.1:8080 or 8080; '{text}' is neither.");
        }

        try
        {
            return new IPEndPoint(IPAddress.TryParse(named.Host, out var address) ? address : Dns.GetHostAddresses(named.Host)[0], named.Port);
        }
        catch (SocketException e)
        {
            throw new UserException($"--health {text}: {named.Host} is no name or address that is known here: {e.Message}", e);
        }
    }

    private async Task<string?> AnswerAsync(Socket socket, Stream stream, CancellationToken patience)
    {
        await using var closing = stream;
        using var ended = socket;
        var (status, body) = ReplyTo(await HealthRequest.ReadAsync(stream, patience));
        await stream.WriteAsync(HealthRequest.Reply(status, body.Length), patience);
        await stream.WriteAsync(body, patience);

        await FarewellAsync(socket, stream, patience);
        return null;
    }

    /// <summary>Closed with something unread, the connection would be reset, and the answer with it.</summary>
    private static async Task FarewellAsync(Socket socket, Stream stream, CancellationToken patience)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
            await HealthRequest.DrainAsync(stream, patience);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // It has been answered; how it goes is its own affair.
        }
    }

    private (int Status, byte[] Body) ReplyTo(HealthRequest request)
    {
        if (request.Flaw is { } status) return (status, []);
        if (request.Path is not ("/healthz" or "/readyz")) return (404, []);
        var report = observation.Status.Report();
        var isWell = request.Path == "/healthz" ? report.IsAlive : report.IsReady;
        return (isWell ? 200 : 503, report.ToJson());
    }

    private void Note(Refusal refusal) =>
        observation.Log.Write(LogLevel.Debug, "health", observation.Status.Subject, $"a connection from {refusal.From} got no answer: {refusal.Why}");
}

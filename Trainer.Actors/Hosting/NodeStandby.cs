using System.Security.Cryptography;
using CnnCluster.Trainer.Coordination;
using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;
using CnnCluster.Trainer.Security;
using CnnCluster.Trainer.StateChannel;
using CnnCluster.Trainer.Training;

namespace CnnCluster.Trainer.Hosting;

/// <summary>A node that leads its run where the home is gone, or keeps the run's state where it can go on nowhere.</summary>
internal sealed class NodeStandby(
    ClusterNode node, NodeNetwork network, Refusals refusals, WorkerOffer offer, DataCache data, NodeFolder folder, Action<string> say)
    : IStandby, IAsyncDisposable
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim gate = new(1);
    private StateReceiver? receiver;
    private RunHome? home;
    private long term;
    private volatile bool isOver;

    public async Task<string> LeadAsync(Mandate mandate, Job job)
    {
        await EnterAsync();
        try
        {
            await RetireAsync();
            return await OnOwnThread(() => Lead(mandate, job));
        }
        catch
        {
            // What has been said to be impossible leads nothing; and why it is impossible is what is thrown, whatever comes of that.
            await Task.WhenAny(RetireAsync());
            throw;
        }
        finally
        {
            if (isOver) await EndLeadingAsync();
            gate.Release();
        }
    }

    public async Task RetireAsync(long term)
    {
        await EnterAsync();
        try
        {
            if (home is null || this.term != term) return;
            await RetireAsync();
            say("the others wait for this node to lead no more: it does not");
        }
        finally
        {
            gate.Release();
        }
    }

    public async Task<IReadOnlyList<DeliverState>> KeepAsync(Job job, Position position)
    {
        await EnterAsync();
        try
        {
            return receiver is null ? await OnOwnThread(() => Keep(job, position)) : [];
        }
        finally
        {
            if (isOver) receiver?.Dispose();
            gate.Release();
        }
    }

    /// <summary>Stops the run at its next step, if this node leads it, and waits until it has.</summary>
    public async Task InterruptAsync()
    {
        if (home is not { } leading) return;
        Akka.Actor.ActorRefImplicitSenderExtensions.Tell(leading.Coordinator, new Coordinator.Interrupt());
        await leading.Outcome;
    }

    /// <summary>How the run ended, if this node led it to its end; one that had too few workers left to it did not.</summary>
    public async Task<RunOutcome?> OutcomeAsync() =>
        home is { Outcome: { IsCompleted: true } ended } && await ended is { IsOutvoted: false } outcome ? outcome : null;

    /// <summary>
    /// Behind what is under way: whoever stands by next has the same folder. A disk that stands still holds up nobody for longer; what it comes to
    /// then ends at once.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        isOver = true;
        if (!await gate.WaitAsync(EndPatience)) return;
        try
        {
            await EndLeadingAsync();
        }
        finally
        {
            receiver?.Dispose();
            gate.Release();
        }
    }

    /// <summary>One at a time; none behind the end.</summary>
    private async Task EnterAsync()
    {
        await gate.WaitAsync();
        if (!isOver) return;
        gate.Release();
        throw new ObjectDisposedException(nameof(NodeStandby));
    }

    private static Task<T> OnOwnThread<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private string Lead(Mandate mandate, Job job)
    {
        var (request, samples) = Read(job);
        var kept = folder.Keep(request, samples);
        ObjectDisposedException.ThrowIf(isOver, this);
        term = mandate.Term;
        home = new RunHome(
            node,
            network,
            kept,
            (receiver, token) => request.Settings(samples, offer.JoinToken, receiver, token) with { Job = job, HasHome = false },
            refusals.Note,
            mandate);
        home.Listen(kept);
        say($"the run's coordinator is gone; this node leads the run now, and keeps it in {kept.Folder.Location}");
        return home.CoordinatorPath;
    }

    private IReadOnlyList<DeliverState> Keep(Job job, Position position)
    {
        var (request, samples) = Read(job);
        var token = RandomNumberGenerator.GetBytes(16);
        receiver = folder.Keep(request, samples).Receive(network, token, refusals.Note);
        var checkpoint = Delivery(StateNames.Checkpoint(position.Step, isBest: false), StateContent.Checkpoint, token);
        return position.EarlyStopping is { BestEpoch: > 0 } && request.Plan.EarlyStop.Restore == Dsl.Restore.Best
            ? [checkpoint, Delivery(StateNames.Best, StateContent.Best, token)]
            : [checkpoint];
    }

    private async Task RetireAsync()
    {
        if (home is not null) await home.RetireAsync();
        await EndLeadingAsync();
    }

    private async Task EndLeadingAsync()
    {
        if (home is not null) await home.DisposeAsync();
        home = null;
    }

    private (RunRequest Request, Data.DataSet Samples) Read(Job job)
    {
        var request = RunRequest.Of(job, offer.Devices);
        return (request, request.LoadData(data));
    }

    private DeliverState Delivery(string name, StateContent content, byte[] token) => new()
    {
        Name = name,
        Content = content,
        Receiver = new Endpoint { Host = network.Host, Port = receiver!.Port },
        Token = Google.Protobuf.ByteString.CopyFrom(token),
    };
}

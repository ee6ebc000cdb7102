using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <summary>What happens to a coordinator. A channel is whatever its host can send to: an actor's reference, a number in a simulation.</summary>
public abstract record CoordinatorInput
{
    private CoordinatorInput()
    {
    }

    /// <summary>A message of a worker's.</summary>
    public sealed record Received(object Channel, IMessage Message) : CoordinatorInput;

    /// <summary>What was behind a channel has ended: its own process says so.</summary>
    public sealed record ChannelLost(object Channel) : CoordinatorInput;

    /// <summary>The control plane takes what is behind a channel for gone, as it has not heard of it. That may be wrong.</summary>
    public sealed record ChannelDoubted(object Channel) : CoordinatorInput;

    /// <summary>The control plane's connection to the process behind a channel has ended. Another may be made.</summary>
    public sealed record ChannelBroken(object Channel) : CoordinatorInput;

    /// <summary>The same, and the process' host refuses connections where the process listened: it has ended, or its control plane has.</summary>
    public sealed record ChannelRefused(object Channel) : CoordinatorInput;

    /// <summary>The operating system says that a worker process of this machine is gone.</summary>
    public sealed record ProcessLost(int ProcessId, int ExitCode) : CoordinatorInput;

    /// <summary>The user asks to stop at the next step.</summary>
    public sealed record Interrupt : CoordinatorInput;

    /// <summary>Early stopping has judged an epoch.</summary>
    public sealed record Judged(int Epoch, EarlyStoppingDecision Decision) : CoordinatorInput;

    /// <summary>Time has passed: deadlines are looked at. Comes several times a second.</summary>
    public sealed record Tick : CoordinatorInput;
}

/// <summary>What a coordinator wants done, in this order.</summary>
public abstract record CoordinatorEffect
{
    private CoordinatorEffect()
    {
    }

    public sealed record Send(object Channel, IMessage Message) : CoordinatorEffect;

    /// <summary>
    /// Watch a channel: its end comes back as <see cref="CoordinatorInput.ChannelLost"/>, or as
    /// <see cref="CoordinatorInput.ChannelDoubted"/>, behind which it is not watched any more.
    /// </summary>
    public sealed record Watch(object Channel) : CoordinatorEffect;

    /// <summary>Watch it no more: what was behind it has been given up.</summary>
    public sealed record Unwatch(object Channel) : CoordinatorEffect;

    public sealed record Publish(IRunEvent Event) : CoordinatorEffect;

    /// <summary>Ask early stopping, with what the last decision left; the answer comes back as <see cref="CoordinatorInput.Judged"/>.</summary>
    public sealed record Judge(int Epoch, double Value, EarlyStoppingState State) : CoordinatorEffect;

    /// <summary>The run has ended; nothing follows.</summary>
    public sealed record Conclude(RunOutcome Outcome) : CoordinatorEffect;
}

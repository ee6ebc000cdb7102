using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How workers are given up, and what their failures mean.</content>
public sealed partial class CoordinatorMachine
{
    /// <param name="How">As in "was killed by signal 9".</param>
    /// <param name="IsConfirmed">It is gone for good, and not only out of sight.</param>
    private sealed record Loss(string How, bool IsConfirmed);

    private static readonly Loss OutOfReach = new("is out of reach", IsConfirmed: false);

    private static readonly Loss Broken = new("has lost its connections", IsConfirmed: false);

    private void Lose(CoordinatorInput.ChannelLost lost)
    {
        if (members.Of(lost.Channel) is { } member) Lose(member, OutOfReach);
    }

    /// <summary>What the control plane guesses is a question, not a loss: a word of the worker answers it, or its silence.</summary>
    private void Doubt(CoordinatorInput.ChannelDoubted doubted)
    {
        if (members.Of(doubted.Channel) is not { } member) return;
        member.Doubted ??= now;
        member.Disconnected ??= now;
    }

    /// <summary>Nor is that a loss: processes connect anew, and a network breaks connections.</summary>
    private void Disconnect(object channel, bool isRefused = false)
    {
        if (members.Of(channel) is not { } member) return;
        member.Disconnected ??= now;
        member.IsRefused |= isRefused;
    }

    /// <summary>Why a worker that says nothing is not waited for any more; null where it is.</summary>
    private Loss? WhyLate(Member member)
    {
        var (silence, stepSeconds) = (now - member.Heard, member.Beat?.StepSeconds ?? 0);
        return IsBroken(member) ? Broken
            : now - member.Doubted > Patience.DoubtOf(stepSeconds) ? OutOfReach
            : silence > Patience.SilenceOf(stepSeconds) ? new Loss(string.Create(null, $"was silent for {silence.TotalSeconds:0.0} s"), IsConfirmed: false)
            : null;
    }

    /// <summary>
    /// A process that ends breaks all of its connections at once: those to its peers, who say so where they use them, and that of the
    /// control plane; and its host refuses others. A worker that is slow, stands still, or is out of one's reach alone loses none or one of them.
    /// </summary>
    private bool IsBroken(Member member) =>
        (member.IsRefused || accused.ContainsKey(member)) && member.Disconnected is { } since
        && now - (member.Heard > since ? member.Heard : since) > Patience.Broken;

    /// <summary>It has spoken. Whoever was taken for gone is watched anew.</summary>
    private void Trust(Member member)
    {
        // What it sent before it ended may be read behind that.
        if (now - member.Disconnected > Patience.Broken) (member.Disconnected, member.IsRefused) = (null, false);
        if (member.Doubted is null) return;
        member.Doubted = null;
        effects.Add(new CoordinatorEffect.Watch(member.Channel!));
    }

    private void Lose(CoordinatorInput.ProcessLost lost)
    {
        var how = lost.ExitCode > 128 ? $"killed by signal {lost.ExitCode - 128}" : $"exit code {lost.ExitCode}";
        var loss = new Loss($"was lost ({how}, process {lost.ProcessId})", IsConfirmed: true);
        var gone = members.OfProcess(lost.ProcessId, settings.HomeHost);
        members.Confirm(gone);

        // Nor those that were refused before they had a part in the run.
        if (!gone.Any(members.Has)) stage.ProcessLost($"A worker process {loss.How}.");
        foreach (var member in gone)
        {
            Lose(member, loss);
        }
    }

    /// <summary>Those that were given up and have not been told so yet, each with what was said of it.</summary>
    private readonly Dictionary<Member, string> givenUp = [];

    /// <summary>Tells those that were given up what follows for them, as soon as it is known.</summary>
    private void TellGivenUp()
    {
        if (stage.IsInDoubt) return;
        foreach (var (member, how) in givenUp)
        {
            Send(member, IsOutvoted ? Resignation() : new Expelled { Reason = how });
        }

        givenUp.Clear();
    }

    /// <summary>It believes that it has a part in the run: that it was given up has not reached it.</summary>
    private void TellOutsider(object channel)
    {
        if (stage.IsInDoubt) return;
        if (!IsOutvoted) Send(channel, new Expelled { Reason = "was given up" });
        else if (!HasEnded) Send(channel, Resignation());
    }

    /// <summary>Gives a worker up. What it says from now on is not heard, until it registers anew.</summary>
    private void Lose(Member member, Loss loss)
    {
        if (loss.IsConfirmed) members.Confirm([member]);
        if (!members.Remove(member)) return;
        effects.Add(new CoordinatorEffect.Unwatch(member.Channel!));
        givenUp[member] = loss.How;
        foreach (var (name, _) in deliveries.Where(d => d.Value.Sender == member).ToList())
        {
            deliveries.Remove(name);
            lostCheckpoint |= !name.StartsWith(StateNames.HistogramsPrefix, StringComparison.Ordinal);
            lacksBest |= StateNames.IsOfBest(name);
        }

        stage.Lost(member, $"{Capitalised(member)} {loss.How} at step {committed}.");
    }

    /// <summary>A worker that cannot be prepared: one of the run's own was counted on at the beginning; without others, and later, the run goes on.</summary>
    private void FailOutside(Member member, WorkerFailed failure)
    {
        if (generation == 0 && IsOwn(member))
        {
            Abandon($"{Capitalised(member)} failed: {failure.Reason}");
        }
        else
        {
            Lose(member, new Loss($"failed: {failure.Reason}", IsConfirmed: true));
        }
    }

    private void Fail(Member member, WorkerFailed failure)
    {
        switch (failure.Kind)
        {
            case FailureKind.Run:
                Abandon($"{Capitalised(member)} failed at step {committed}: {failure.Reason}");
                break;
            case FailureKind.Worker:
                Lose(member, new Loss($"failed: {failure.Reason}", IsConfirmed: true));
                break;
            default:
                stage.Interrupted(member, failure);
                break;
        }
    }
}

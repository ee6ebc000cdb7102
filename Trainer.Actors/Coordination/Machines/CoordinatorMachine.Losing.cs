using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>How workers are given up, and what their failures mean.</content>
public sealed partial class CoordinatorMachine
{
    /// <param name="How">As in "was killed by signal 9".</param>
    /// <param name="IsConfirmed">It is gone for good, and not only out of sight.</param>
    private sealed record Loss(string How, bool IsConfirmed);

    private static readonly Loss OutOfReach = new("is out of reach", IsConfirmed: false);

    private void Lose(CoordinatorInput.ChannelLost lost)
    {
        if (members.Of(lost.Channel) is { } member) Lose(member, OutOfReach);
    }

    /// <summary>What the control plane guesses is a question, not a loss: a word of the worker answers it, or its silence.</summary>
    private void Doubt(CoordinatorInput.ChannelDoubted doubted)
    {
        if (members.Of(doubted.Channel) is { } member) member.Doubted ??= now;
    }

    /// <summary>It has spoken. Whoever was taken for gone is watched anew.</summary>
    private void Trust(Member member)
    {
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

    /// <summary>A worker that cannot be prepared: at the beginning it was counted on, later the others go on without it.</summary>
    private void FailOutside(Member member, WorkerFailed failure)
    {
        if (generation == 0)
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

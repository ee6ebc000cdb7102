using Akka.Actor;
using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination;

/// <content>How a run ends, well or badly, and what every state answers to.</content>
public sealed partial class Coordinator
{
    // ---- Finishing: the last states are saved, the weights agree ----

    private void Finish(StopReason reason, bool restoreBest)
    {
        var finished = new RollCall<string>(Ranks);
        var restores = restoreBest && best.BestEpoch > 0;
        if (reason == StopReason.Interrupted)
        {
            Request(StateNames.Checkpoint(step, isBest: false), StateContent.Checkpoint);
        }

        TellAll(new Finish { Generation = generation, RestoreBest = restores });
        if (reason != StopReason.Interrupted)
        {
            Request(StateNames.Final, StateContent.Checkpoint);
        }

        Become(Finishing);

        void Finishing()
        {
            WaitAtMost(settings.Silence, () => $"ending; waiting for rank {string.Join(", ", finished.Missing)} and {deliveries.Count} states");
            On<WorkerFinished>(message =>
            {
                finished.Answer(message.Rank, message.WeightsSha256);
                ConcludeWhenDone();
            });
            Always(ConcludeWhenDone);
        }

        void ConcludeWhenDone()
        {
            if (finished.IsComplete && deliveries.Count == 0)
            {
                End(Outcome(reason, finished, restores));
            }
        }
    }

    private RunOutcome Outcome(StopReason reason, RollCall<string> finished, bool restored)
    {
        var hashes = finished.InRankOrder.Distinct().ToList();
        return hashes.Count > 1
            ? Failed($"the workers ended with different weights ({string.Join(", ", hashes.Select(static h => h[..8]))}): this is a bug")
            : new RunOutcome(reason, "", step, best, FiguresOfEnd(), hashes[0], lastCheckpoint);

        // Where a run was stopped between two validations, no figures are those of its weights.
        EpochMetrics? FiguresOfEnd() => reason == StopReason.Interrupted ? null : restored ? bestMetrics : metrics;
    }

    // ---- Failing: survivors stop at a whole step, the most advanced is saved ----

    /// <param name="reason">What a person should read.</param>
    /// <param name="lost">Ranks that can answer no more.</param>
    /// <param name="first">The failure that tells of it, if a worker told: its rank's own answer.</param>
    private void Fail(string reason, IReadOnlyCollection<int> lost, WorkerFailed? first = null)
    {
        var survivors = Ranks.Except(lost).ToList();
        if (generation == 0 || survivors.Count == 0)
        {
            End(Failed(reason));
            return;
        }

        var halted = new RollCall<long?>(survivors);
        TellAll(new Abandon { Generation = generation, Reason = reason });
        Become(Failing);
        if (first is { HasState: true })
        {
            Halted(first.Rank, first.Step);
        }

        void Failing()
        {
            WaitAtMost(settings.HaltPatience, () => reason, _ => SaveMostAdvanced(reason, halted.Answers));
            On<WorkerHalted>(message => Halted(message.Rank, message.Step));
            On<WorkerFailed>(message => Halted(message.Rank, message.HasState ? message.Step : null));
            Receive<Terminated>(message => Excuse(roster.RankOf(message.ActorRef) is { } rank ? [rank] : []));
            Receive<ProcessLost>(loss =>
            {
                // The operating system knows better than a peer what became of the one it missed.
                reason = Describe(loss);
                Excuse(roster.RanksOfProcess(loss.ProcessId));
            });
            ReceiveAny(static _ => { });
        }

        void Excuse(IEnumerable<int> ranks)
        {
            if (ranks.ToList().Exists(halted.Excuse))
            {
                SaveMostAdvanced(reason, halted.Answers);
            }
        }

        void Halted(int rank, long? atStep)
        {
            if (halted.Answer(rank, atStep))
            {
                SaveMostAdvanced(reason, halted.Answers);
            }
        }
    }

    private void SaveMostAdvanced(string reason, IReadOnlyDictionary<int, long?> halted)
    {
        var whole = halted.Where(static h => h.Value is not null).ToList();
        if (whole.Count == 0)
        {
            End(Failed(reason));
            return;
        }

        var (rank, atStep) = whole.MaxBy(static h => h.Value!.Value);
        step = atStep!.Value;
        deliveries.Clear();
        Request(StateNames.Checkpoint(step, isBest: false), StateContent.Checkpoint, rank);
        Become(Saving);

        void Saving()
        {
            WaitAtMost(settings.HaltPatience, () => reason, _ => End(Failed($"{reason} Its last state could not be saved in time.")));
            On<StateDelivered>(message =>
            {
                NoteDelivered(message);
                End(Failed(reason));
            });
            On<WorkerFailed>(message => End(Failed($"{reason} Its last state could not be saved: {message.Reason}")));
            ReceiveAny(static _ => { });
        }
    }

    private RunOutcome Failed(string reason) => new(StopReason.Failed, reason, step, best, null, "", lastCheckpoint);

    private void End(RunOutcome outcome)
    {
        Timers.CancelAll();
        hub.Tell(new RunEnded(outcome));
        TellAll(new Dismiss());
        conclude(outcome);
        Become(() => ReceiveAny(static _ => { }));
    }

    // ---- What every state before the end answers to ----

    private void Always(Action? onDelivered = null)
    {
        Receive<RegisterWorker>(_ => Sender.Tell(new WorkerRefused { Reason = "the run has begun" }));
        On<Progress>(Note);
        On<StateDelivered>(message =>
        {
            NoteDelivered(message);
            onDelivered?.Invoke();
        });
        On<WorkerFailed>(Blame);
        Receive<ProcessLost>(Blame);
        Receive<Terminated>(message =>
        {
            if (roster.RankOf(message.ActorRef) is { } rank)
            {
                Fail($"{Capitalised(roster.InRankOrder[rank])} was lost at step {step}.", [rank]);
            }
        });
        Receive<Interrupt>(_ => RequestStop());
    }

    private void Note(Progress progress)
    {
        KeepWaiting();
        step = Math.Max(step, progress.Step);
        if (progress.Rank == 0)
        {
            hub.Tell(new StepProgress(progress.Epoch, progress.Step, progress.ImagesPerSecond, progress.Loss));
        }
    }

    private void RequestStop()
    {
        interrupted = true;
        if (generation == 0)
        {
            End(new RunOutcome(StopReason.Interrupted, "", 0, best, null, "", null));
            return;
        }

        TellAll(new StopAtNextStep { Generation = generation });
    }

    private void Blame(WorkerFailed failure)
    {
        step = Math.Max(step, failure.Step);
        var accused = failure.LostPeer >= 0 && failure.LostPeer < roster.Count ? failure.LostPeer : failure.Rank;
        Fail($"{Capitalised(roster.InRankOrder[accused])} failed at step {step}: {failure.Reason}", failure.HasState ? [] : [failure.Rank], failure);
    }

    private void Blame(ProcessLost loss) => Fail(Describe(loss), [.. roster.RanksOfProcess(loss.ProcessId)]);

    private string Describe(ProcessLost loss)
    {
        var ranks = roster.RanksOfProcess(loss.ProcessId).ToList();
        var how = loss.ExitCode > 128 ? $"killed by signal {loss.ExitCode - 128}" : $"exit code {loss.ExitCode}";
        var whom = ranks.Count == 0 ? "a worker process" : string.Join(", ", ranks.Select(r => roster.InRankOrder[r]));
        return $"{Capitalised(whom)} was lost at step {step} ({how}, process {loss.ProcessId}).";
    }

    private static string Capitalised(object subject)
    {
        var text = subject.ToString()!;
        return char.ToUpperInvariant(text[0]) + text[1..];
    }

    private void Request(string name, StateContent content, int rank = 0)
    {
        deliveries.Add(name);
        roster.InRankOrder[rank].Worker.Tell(new DeliverState
        {
            Generation = generation,
            Name = name,
            Content = content,
            Receiver = settings.StateReceiver,
            Token = ByteString.CopyFrom(settings.StateToken),
        });
    }

    private void NoteDelivered(StateDelivered delivered)
    {
        deliveries.Remove(delivered.Name);
        lastCheckpoint = delivered.Name.StartsWith(StateNames.HistogramsPrefix, StringComparison.Ordinal) ? lastCheckpoint : delivered.Name;
    }

    private void TellAll(object message)
    {
        foreach (var entry in roster.InRankOrder)
        {
            entry.Worker.Tell(message);
        }
    }

    private void On<T>(Action<T> handle)
        where T : IOfGeneration =>
        Receive<T>(message => message.Generation == generation, handle);

    // ---- Patience: one timer a state; progress winds it up again ----

    private (TimeSpan Patience, Func<string> Waiting) wait;

    private void WaitAtMost(TimeSpan patience, Func<string> waiting, Action<string>? thenDo = null)
    {
        wait = (patience, waiting);
        KeepWaiting();
        Receive<PatienceEnded>(_ =>
        {
            var what = waiting();
            (thenDo ?? (text => Fail($"Nothing came for {patience.TotalSeconds:0} s: {text}.", [])))(what);
        });
    }

    private void KeepWaiting() => Timers.StartSingleTimer("patience", PatienceEnded.Instance, wait.Patience);
}

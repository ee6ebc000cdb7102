using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>What a worker does whose coordinator is lost: looks for another, and where there is none keeps its state and ends.</content>
public sealed partial class WorkerMachine
{
    private const string HomeIsGone = "the run's home is gone";

    /// <summary>For its thread to stand, a place to be found and its state to be written: a disk may stand still.</summary>
    private static readonly TimeSpan KeepPatience = TimeSpan.FromMinutes(2);

    private bool isKeeping;
    private TimeSpan left;

    /// <summary>Whether there is another worker to ask, and a coordinator that it names would take this one.</summary>
    private bool CanAsk => identity.MayLead && !hasFailed && peers.Count > 0;

    private IEnumerable<string> OthersOf(IEnumerable<string> paths) => paths.Where(path => path.Length > 0 && path != identity.Control);

    /// <summary>Asks one of its peers after the other where the coordinator is.</summary>
    private void Ask(int time, RegisterWorker registration) => effects.Add(new WorkerEffect.Tell(peers[time % peers.Count], registration));

    /// <summary>A member chooses another coordinator with the others; a newcomer, which has no vote, asks them for the one that they chose.</summary>
    private void LoseCoordinator()
    {
        if (!succession.Waits && !succession.IsVacant && !CanAsk)
        {
            End(HomeIsGone);
            return;
        }

        asked = Math.Max(asked, FirstAsksHome);
        succession.LoseCoordinator();
    }

    /// <summary>
    /// Its coordinator leads no more. It stops, keeps what it has, and asks those that it was last part of a generation with
    /// for one that leads; as a member it votes meanwhile.
    /// </summary>
    private void Seek(SteppedDown resignation)
    {
        if (resignation.Term < succession.Term) return;
        if (!identity.MayLead || hasFailed || (peers.Count == 0 && !succession.Waits))
        {
            End(resignation.Reason);
            return;
        }

        if (accepted) Register(resignation.Reason);
        registering = now;
        asked = Math.Max(asked, FirstAsksHome);
        succession.LoseCoordinator();
        succession.Expect();
    }

    /// <summary>A place is looked for once, however often its thread says that it stands.</summary>
    private void KeepAt(Position position)
    {
        if (isKeeping) return;
        isKeeping = true;
        effects.Add(new WorkerEffect.Keep(position));
    }

    private void Keep(IReadOnlyList<DeliverState> asked)
    {
        foreach (var delivery in asked)
        {
            keeping.Add((delivery.Name, delivery.Token));
            effects.Add(new WorkerEffect.Order(delivery));
        }

        if (keeping.Count == 0) End(leaving!);
    }

    /// <summary>A state that is kept, or cannot be. What the coordinator had asked for before it was lost is neither.</summary>
    private void NoteKept(StateDelivered delivered)
    {
        if (!keeping.Remove((delivered.Name, delivered.Token))) return;
        if (delivered.Failure.Length > 0) End($"{leaving}; its state could not be kept: {delivered.Failure}");
        else if (keeping.Count == 0) End(leaving!);
    }

    /// <summary>No coordinator is left: the run ends here, and its state is kept.</summary>
    private void Leave()
    {
        left = now;
        succession.Abstain();
        leaving = "the run's coordinator is gone, and no majority of the workers was there to choose another";
        if (!succession.Waits)
        {
            End(CanAsk ? $"{HomeIsGone}, and nobody who was asked knows of another coordinator" : leaving);
            return;
        }

        effects.Add(new WorkerEffect.Halt(new Halt { Round = 0, Reason = leaving }));
    }
}

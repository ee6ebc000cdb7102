using CnnCluster.Trainer.Coordination.Machines;
using CnnCluster.Trainer.Protocol;

namespace CnnCluster.Trainer.Coordination;

/// <summary>
/// What a process does for a run whose coordinator is gone, and which it outlives. Its caller is an actor: files are read and
/// written on another thread, since a disk that stands still must not keep a worker from its beats and votes.
/// </summary>
public interface IStandby
{
    /// <summary>Starts a coordinator that takes the run over.</summary>
    /// <param name="mandate">What a majority of the workers has charged this process with.</param>
    /// <param name="job">The run.</param>
    /// <returns>The path of its actor, for workers elsewhere.</returns>
    /// <exception cref="UserException">There is no place for the run's files, or the data cannot be read.</exception>
    Task<string> LeadAsync(Mandate mandate, Job job);

    /// <summary>Ends the coordinator that leads by this term's mandate, if it is still there: nobody follows it.</summary>
    /// <param name="term">That of its mandate.</param>
    Task RetireAsync(long term);

    /// <summary>Makes a place for the state of a run that can go on nowhere.</summary>
    /// <param name="job">The run.</param>
    /// <param name="position">Where the state stands.</param>
    /// <returns>The states to hand over; none where another worker of this process does.</returns>
    /// <exception cref="UserException">There is no place for the run's files.</exception>
    Task<IReadOnlyList<DeliverState>> KeepAsync(Job job, Position position);
}

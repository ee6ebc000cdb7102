using CnnCluster.Trainer.Protocol;
using Google.Protobuf;

namespace CnnCluster.Trainer.Coordination.Machines;

/// <content>The coordinator's commands, each handed to the thread once, and the thread's answers, as often as they are asked for.</content>
public sealed partial class WorkerMachine
{
    /// <summary>
    /// The weights of the end come behind the command that puts them in place, which may have been lost: they are asked for
    /// again. One that stands still may be asked for its state by a coordinator whose last generation it never heard of.
    /// </summary>
    private bool CanDeliver(DeliverState request) => request.Name == StateNames.Final
        ? request.Generation == generation && command.Kind == "finish"
        : request.Generation == generation || (request.Generation > generation && command.Kind == "halt");

    /// <summary>
    /// A state is the one of now: a request that is heard for the first time when it is repeated came too late. Best weights of two
    /// epochs have one name.
    /// </summary>
    private void Deliver(DeliverState request)
    {
        var bestStep = request.Name == StateNames.Best ? request.Decided?.EarlyStopping?.BestStep ?? 0 : 0;
        if (deliveries.TryGetValue(request.Name, out var known) && known.BestStep == bestStep)
        {
            if (known.HasGone) effects.Add(new WorkerEffect.Send(new StateDelivered { Name = request.Name, Token = request.Token }));
        }
        else if (request.Again && request.Name != StateNames.Final)
        {
            effects.Add(new WorkerEffect.Send(new StateDelivered { Name = request.Name, Token = request.Token, Missed = true }));
        }
        else
        {
            deliveries[request.Name] = (bestStep, HasGone: false);
            effects.Add(new WorkerEffect.Order(request));
        }
    }

    /// <summary>
    /// One of the member that it was before it came anew is none of its: what that one had promised, it does not know any more. The coordinator
    /// has not heard of who it is.
    /// </summary>
    private bool IsIn(FormGeneration form) => form.Members.Any(member => member.Incarnation == succession.Incarnation);

    private void Join(FormGeneration form)
    {
        deliveries.Clear();
        generation = form.Generation;
        forming = form;
        succession.Told(form);
        peers = [.. OthersOf(form.Members.Select(static member => member.Control))];
        command = ("form", form.Generation, 0);
        answer = null;
        effects.Add(new WorkerEffect.Order(form));
    }

    /// <summary>A command that is heard again was not answered, or the answer was lost.</summary>
    private void Obey(string kind, long of, int epoch, IMessage message)
    {
        if (of != generation || command == default) return;
        if (kind != "form") succession.Begin(of);
        if (command == (kind, of, epoch))
        {
            if (answer is not null) effects.Add(new WorkerEffect.Send(answer));
            return;
        }

        command = (kind, of, epoch);
        answer = null;
        effects.Add(new WorkerEffect.Order(message));
    }

    private void Stop(Halt halt)
    {
        if (halt.Round < round) return;
        if (halt.Round == round)
        {
            if (answer is WorkerHalted) effects.Add(new WorkerEffect.Send(answer));
            return;
        }

        round = halt.Round;
        command = ("halt", generation, 0);
        answer = null;
        effects.Add(new WorkerEffect.Halt(halt));
    }

    private void Report(IMessage message)
    {
        if (leaving is not null)
        {
            if (message is WorkerHalted { HasState: true } standing) KeepAt(standing.Position);
            else if (message is StateDelivered delivered) NoteKept(delivered);
            else if (message is WorkerHalted or WorkerFailed { Kind: not FailureKind.Peer }) End(leaving);
            return;
        }

        switch (message)
        {
            // Whoever has promised itself to another coordinator agrees to no generation of this one's any more, nor who comes anew to that of before.
            case WorkerReady when succession.IsFenced || command.Kind != "form": return;
            case WorkerReady ready when ready.Generation == generation: succession.Ready(forming!); break;
            // Of a round that is over, or of an expulsion, nobody wants to know.
            case WorkerHalted halted when halted.Round != round: return;

            // What a collective says when it is stopped is no news, nor what that of a generation says which has gone on without this worker.
            case WorkerFailed { Kind: FailureKind.Peer } when command == default || command.Kind == "halt": return;
            case IOfGeneration { Generation: var of } when of != generation: return;

            // Who may vote for another coordinator, or has, cannot agree to what this one does, as one that has failed does.
            case WorkerFailed { Kind: FailureKind.Worker } when succession.MayVote: withheld = message; return;
            case WorkerFailed { Kind: not FailureKind.Peer } failure: NoteFailure(failure); break;
            case WorkerPrepared: prepared = message; break;
            case StateDelivered { Failure.Length: > 0 } failed: deliveries.Remove(failed.Name); break;
            case StateDelivered delivered: deliveries[delivered.Name] = (deliveries.GetValueOrDefault(delivered.Name).BestStep, HasGone: true); break;
            default: break;
        }

        // A failure is an answer too: where it was lost, the command comes again.
        if (message is WorkerHalted or WorkerReady or EpochTrained or Validated or WorkerFinished or WorkerFailed) answer = message;
        effects.Add(new WorkerEffect.Send(message));
    }

    private void NoteFailure(WorkerFailed failure)
    {
        hasFailed = true;

        // No command is there to come again: that it could not be prepared is said until the coordinator has heard it.
        if (command == default) prepared = failure;
        if (failure.Kind == FailureKind.Worker) succession.Abstain();
    }
}

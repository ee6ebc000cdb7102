using CnnCluster.Kernels;
using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>
/// A training step of one's own: what it does with a slice of the batch. It takes the place of the script's losses in
/// training and validation; metrics, regularizers, clipping, the optimizer and all else stay the script's.
/// </summary>
/// <remarks>
/// A step speaks of samples and of sums over them, never of means: the number of samples of the whole batch, over all
/// workers, is divided by afterwards, so that slices of any size are exact and N workers compute what one computes.
/// The slice may be empty, and the forward pass must be gone through all the same: layers may exchange statistics
/// there. What an empty slice adds to the gradients is dropped. Each worker has a step of its own and calls it from its
/// own thread; tensors made in it are disposed after it.
/// </remarks>
public abstract class OwnStep
{
    /// <param name="losses">At least one, with different names.</param>
    /// <exception cref="ArgumentException">There is none, or two have the same name.</exception>
    protected OwnStep(params OwnLoss[] losses)
    {
        if (losses.Length == 0 || losses.DistinctBy(static loss => loss.Name).Count() < losses.Length)
        {
            throw new ArgumentException("A step has at least one loss, and each has a name of its own.", nameof(losses));
        }

        Losses = losses;
    }

    public IReadOnlyList<OwnLoss> Losses { get; }

    /// <summary>Computes each loss' value for each sample of the slice, in training and in validation.</summary>
    /// <returns>A tensor of shape (<see cref="StepSlice.Count"/>) for each of <see cref="Losses"/>, in their order, without weights.</returns>
    public abstract IReadOnlyList<Tensor> Forward(StepSlice slice);

    /// <summary>
    /// Adds to <see cref="StepSlice.Gradients"/>, which are zero before, the gradient of the sum over the slice's
    /// samples. Unless overridden it back-propagates each loss' weighted sum into the weights that the loss trains.
    /// Where a layer takes statistics over the batch, as <c>batchnorm</c>, all workers exchange sums on the way back too: each must make as
    /// many passes back as the others, whatever its <see cref="StepSlice.Count"/>.
    /// </summary>
    /// <param name="slice">As in <see cref="Forward"/>.</param>
    /// <param name="losses">What <see cref="Forward"/> has returned.</param>
    public virtual void Backward(StepSlice slice, IReadOnlyList<Tensor> losses)
    {
        Tensor? others = null;
        for (var i = 0; i < losses.Count; i++)
        {
            var sum = losses[i].sum() * Scalars.Of(Losses[i].Weight);
            if (Losses[i].Trains is null)
            {
                others = others is null ? sum : others.Plus(sum);
            }
            else if (slice.TrainedBy(Losses[i]) is { Length: > 0 } trained)
            {
                // Of none libtorch would make all.
                sum.backward(retain_graph: true, inputs: trained);
            }
        }

        others?.backward();
    }

    /// <summary>
    /// Changes the gradient of the whole batch, when it is summed over all workers and divided, before regularizers,
    /// clipping and update. It must do the same on every worker: random numbers come from the counter-based generator.
    /// </summary>
    /// <param name="gradients">By the weights' names.</param>
    public virtual void Reduced(IReadOnlyDictionary<string, Tensor> gradients)
    {
    }
}

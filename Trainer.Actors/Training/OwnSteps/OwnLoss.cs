using System.Text.RegularExpressions;

namespace CnnCluster.Trainer.Training;

/// <summary>One of the losses of a step of one's own.</summary>
public sealed partial class OwnLoss
{
    /// <param name="name">Lower-case letters, digits and <c>_</c>; where a step has several losses, each is the figure <c>loss_NAME</c>.</param>
    /// <exception cref="ArgumentException">It is no such name.</exception>
    public OwnLoss(string name) =>
        Name = Form().IsMatch(name)
            ? name
            : throw new ArgumentException($"'{name}' is no name for a loss: lower-case letters, digits and _.", nameof(name));

    public string Name { get; }

    /// <summary>Its share in the whole loss, and a factor of its gradient. A negative one has the loss made greater.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is infinite or NaN.</exception>
    public double Weight
    {
        get;
        init => field = double.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A loss' weight is a finite number.");
    } = 1;

    /// <summary>
    /// Says by its name, such as <c>critic/dense1/kernel</c>, whether a weight is changed by this loss; null for all that
    /// the loss reaches. It is asked for every slice, and may say otherwise as the steps go on: one in which it names none
    /// changes none by this loss. When the run begins it must name one.
    /// </summary>
    public Func<string, bool>? Trains { get; init; }

    [GeneratedRegex(@"\A[a-z][a-z0-9_]*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}

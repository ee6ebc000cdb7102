using static TorchSharp.torch;

namespace CnnCluster.Trainer.Training;

/// <summary>Which weights each loss of a step changes. They are asked for in every step, and listed anew where they are others.</summary>
/// <param name="weights">What is trained, by name.</param>
internal sealed class TrainedWeights(IReadOnlyDictionary<string, Tensor> weights)
{
    private readonly (string Name, Tensor Weight)[] all = [.. weights.Select(static weight => (weight.Key, weight.Value))];
    private readonly Dictionary<OwnLoss, Choice> choices = [];

    /// <summary>Those that the loss changes now, in the network's order; up to the next call for it.</summary>
    public Tensor[] By(OwnLoss loss)
    {
        if (loss.Trains is not { } trains) throw new ArgumentException($"'{loss.Name}' says of no weight whether it changes it.", nameof(loss));
        if (!choices.TryGetValue(loss, out var choice)) choices.Add(loss, choice = new Choice(all.Length));
        for (var i = 0; i < all.Length; i++)
        {
            choice.Say(i, trains(all[i].Name));
        }

        return choice.Weights ??= choice.Of(all);
    }

    /// <summary>What was said of each weight when it was asked for last.</summary>
    private sealed class Choice(int count)
    {
        private readonly bool[] isChosen = new bool[count];

        /// <summary>Null where they are to be listed anew.</summary>
        public Tensor[]? Weights { get; set; }

        public void Say(int weight, bool isChanged)
        {
            if (isChosen[weight] == isChanged) return;
            isChosen[weight] = isChanged;
            Weights = null;
        }

        public Tensor[] Of((string Name, Tensor Weight)[] weights) =>
            [.. weights.Where((_, weight) => isChosen[weight]).Select(static weight => weight.Weight)];
    }
}

using CnnCluster.Kernels;

namespace CnnCluster.Trainer.Data;

/// <summary>The augmentations that scripts can name. What comes in from beyond a sample's border is 0.</summary>
public static class Augmentations
{
    private static readonly AugmentationDefinition Shift = Define(
        "shift",
        "Moves by a random whole number of pixels along each axis.",
        [Setting.Whole("pixels", 2, 0, 1000, "The greatest distance along an axis.")],
        static s => (shape, draws, source, destination) => Resampling.Shift(
            shape, Whole(draws, s["pixels"], index: 0), Whole(draws, s["pixels"], index: 1), source, destination));

    private static readonly AugmentationDefinition Rotate = Define(
        "rotate",
        "Turns about the centre by a random angle, with bilinear interpolation.",
        [Setting.Real("degrees", 10, 0, 180, "The greatest angle, either way.")],
        static s => (shape, draws, source, destination) =>
        {
            var (sin, cos) = Math.SinCos(draws.Between(-s["degrees"], s["degrees"]) * Math.PI / 180);
            Resampling.Linear(shape, new LinearMap(cos, sin, -sin, cos), source, destination);
        });

    private static readonly AugmentationDefinition Scale = Define(
        "scale",
        "Zooms about the centre by a random factor from 1 − by to 1 + by, with bilinear interpolation.",
        [Setting.Real("by", 0.1, 0, 0.9, "The greatest change of size.")],
        static s => (shape, draws, source, destination) =>
        {
            var inverse = 1 / draws.Between(1 - s["by"], 1 + s["by"]);
            Resampling.Linear(shape, new LinearMap(inverse, 0, 0, inverse), source, destination);
        });

    private static readonly AugmentationDefinition Flip = Define(
        "flip",
        "Swaps left and right in every second sample, at random.",
        [],
        static _ => (shape, draws, source, destination) =>
        {
            source.CopyTo(destination);
            if (draws.Between(0, 1) < 0.5) Resampling.Mirror(shape, destination);
        });

    public static IReadOnlyList<AugmentationDefinition> All { get; } = [Shift, Rotate, Scale, Flip];

    private static AugmentationDefinition Define(
        string name, string summary, IReadOnlyList<Setting> settings, Func<SettingValues, AugmentationFunction> create) =>
        new(name, summary, settings, values => new Augmentation(name, create(values)));

    /// <summary>A whole number from −greatest to greatest, each equally likely.</summary>
    private static int Whole(AugmentationDraws draws, double greatest, int index) =>
        (int)Math.Floor(draws.Between(-greatest, greatest + 1, index));
}

using CnnCluster.Dsl.Building;

namespace CnnCluster.Samples;

/// <summary>Scripts built in C#: the same as the tests have as text and in F#.</summary>
public static class Scripts
{
    public static ScriptBuilder LeNet5 { get; } = new ScriptBuilder()
        .Network("LeNet5", n => n
            .Input(28, 28, 1)
            .Conv(6, "5x5", ("pad", "same"), "relu")
            .Maxpool("2x2")
            .Conv(16, (5, 5), "relu")
            .Maxpool("2x2")
            .Flatten()
            .Dense(120, "relu")
            .Dense(84, "relu")
            .Dense(10))
        .Train("LeNet5", t => t
            .Data("mnist")
            .Loss("cross-entropy")
            .Optimizer("sgd", ("lr", 0.05), ("momentum", 0.9), "nesterov")
            .Schedule("inverse-time", ("decay", 1e-4))
            .Batch(64)
            .EarlyStop(("monitor", "val_loss"), ("patience", 3), ("restore", "best")));

    /// <summary>Blocks with parameters, an identity branch, conditions, defaults and a repetition over rows.</summary>
    public static ScriptBuilder Residual { get; } = new ScriptBuilder()
        .Block("basic(filters, stride = 1)", b => b
            .Add(
                Branch.Of(left => left
                    .Conv("filters", 3, ("stride", "stride"), ("pad", 1))
                    .Batchnorm("relu")
                    .Conv("filters", 3, ("pad", 1))
                    .Batchnorm()),
                Branch.Of(right => right
                    .If("stride > 1 or here.channels != filters", narrow => narrow
                        .Conv("filters", 1, ("stride", "stride"))
                        .Batchnorm())),
                "relu"))
        .Network("Residual", n => n
            .Defaults(d => d.Conv(("bias", false), ("kernel-init", "he")))
            .Input(32, 32, 3)
            .Conv(16, "3x3", ("pad", "same"), "relu").As("stem")
            .RepeatIn("filters, count, stride", new[] { (16, 2, 1), (32, 2, 2) }, stage => stage
                .Layer("basic", "filters", ("stride", "stride"))
                .Repeat("count-1", more => more.Layer("basic", "filters")))
            .Flatten()
            .Dense(7));

    /// <summary>Two inputs, one set of weights.</summary>
    public static ScriptBuilder Siamese { get; } = new ScriptBuilder()
        .Shared("tower", s => s.Conv(8, "3x3", "relu").Maxpool(2).Flatten().Dense(16))
        .Network("Siamese", n => n
            .Input("left", 28, 28, 1)
            .Input("right", 28, 28, 1)
            .Concat(a => a.From("left").Layer("tower"), b => b.From("right").Layer("tower"))
            .Dense(1, "sigmoid"));

    /// <summary>Numbers by name, repetitions that count, an alternative, stand-alone activations, a fixed kernel and two outputs.</summary>
    public static ScriptBuilder Counted { get; } = new ScriptBuilder()
        .Network("Counted", n => n
            .Let("wide = 4 * 2")
            .Input("?x?x1")
            .Conv(("kernel", new[] { new[] { 1, 2, 1 }, new[] { 2, 4, 2 }, new[] { 1, 2, 1 } }), ("pad", "same"))
            .Repeat(2, twice => twice.Conv("wide", 3, ("pad", "[1 1; 1 1]")).Leakyrelu(0.1))
            .Output("early")
            .Repeat("i in 1..3", each => each
                .If(
                    "i == 2",
                    even => even.Avgpool(2),
                    otherwise: odd => odd.Conv("wide*i", 1, "leakyrelu(0.2)")))
            .As("deep")
            .Output("late"));
}

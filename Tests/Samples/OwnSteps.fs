/// Training steps of one's own: losses that no script has, and gradients by hand.
module CnnCluster.Samples.OwnSteps

open System.Threading
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Trainer.Hosting
open CnnCluster.Trainer.Storage
open CnnCluster.Trainer.Training

type private Functional = torch.nn.functional

/// Two losses against each other (Goodfellow and others, Generative Adversarial Networks, NIPS 2014): a critic learns to
/// tell untouched images from restored ones, and the restorer to pass for untouched. Each loss changes its own weights.
type Adversarial() =
    inherit
        OwnStep(
            OwnLoss("critic", Trains = fun weight -> weight.StartsWith "critic"),
            OwnLoss("restorer", Trains = fun weight -> not (weight.StartsWith "critic"))
        )

    override _.Forward slice =
        let real, restored = slice.Outputs[0].squeeze 1L, slice.Outputs[1].squeeze 1L
        // −log σ(x) of what is to be called untouched and −log σ(−x) of what is not, for each sample.
        let says = Functional.logsigmoid
        [| -((says real).Plus(says -restored)); -(says restored) |]

/// Each sample's gradient is cut to a norm before they are summed (Abadi and others, Deep Learning with Differential
/// Privacy, CCS 2016), so that no sample counts for more than the others.
type PerSampleClipping(norm: float) =
    inherit OwnStep(OwnLoss "label")

    override _.Forward slice =
        [| Functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None) |]

    override _.Backward(slice, losses) =
        let names, weights = List.ofSeq slice.Weights.Keys, ResizeArray slice.Weights.Values

        for sample in 0 .. slice.Count - 1 do
            use _ = torch.NewDisposeScope()
            let loss = losses[0].select(0L, int64 sample)

            let gradients =
                torch.autograd.grad (ResizeArray [ loss ], weights, retain_graph = true)

            let square (g: torch.Tensor) =
                g.Squared().sum(torch.float64).item<float>()

            let length = gradients |> Seq.sumBy square |> sqrt
            use factor = (min 1.0 (norm / length)).ToScalar()

            for name, gradient in Seq.zip names gradients do
                slice.Gradients[name].add_(gradient, alpha = factor) |> ignore

/// The reduced gradient of each kernel, its mean over the inputs of each output taken off (Yong and others, Gradient
/// Centralization, ECCV 2020).
type Centralised() =
    inherit OwnStep(OwnLoss "label")

    override _.Forward slice =
        [| Functional.cross_entropy (slice.Outputs[0], slice.Targets[0], reduction = torch.nn.Reduction.None) |]

    override _.Reduced gradients =
        for KeyValue(name, gradient) in gradients do
            if name.EndsWith "/kernel" then
                let axes = [| 1L .. gradient.dim () - 1L |]
                gradient.sub_ (gradient.mean (axes, keepdim = true)) |> ignore

/// Trains on two workers of this process; each makes a step for itself.
let train (training: Training) (folder: RunFolder) (makeStep: unit -> OwnStep) =
    task {
        use keeper = new RunKeeper(folder, [])

        let request =
            RunRequest(Training = training, Layout = RunLayout(2, 0, [| "cpu" |], 1), OwnStep = makeStep)

        return! TrainingRun.RunAsync(request, keeper, DataCache(), ignore, CancellationToken.None)
    }

/// The calls of TorchSharp that a step of one's own is made of, in a row, and what its own code makes anew.
module internal CnnCluster.Tests.Trainer.Training.OwnStepsByHand

open System.Collections.Generic
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Kernels
open CnnCluster.Tests.Trainer.Training.CallsByHand
open CnnCluster.Tests.Trainer.Training.FunctionsByHand

type private Functional = torch.nn.functional

/// What a step does with a slice.
type OwnCalls =
    {
        /// Each loss' share in the whole.
        Weights: float list
        Forward: unit -> Tensor[]
        Backward: Tensor[] -> unit
        /// The metric's values, of what the forward pass has made last.
        Hits: unit -> Tensor
    }

let private weighted (weights: float[]) (losses: Tensor[]) i =
    losses[i].detach().sum() * Scalars.Of weights[i]

/// The whole loss' sum; those of figures are written into an array.
let private sums (calls: OwnCalls) weights (losses: Tensor[]) (figures: Tensor[]) =
    let mutable whole = weighted weights losses 0

    for i in 1 .. losses.Length - 1 do
        whole <- whole.add (weighted weights losses i, Scalars.Of 1.0)

    if losses.Length > 1 then
        for i in 0 .. losses.Length - 1 do
            figures[i] <- losses[i].detach().sum()

    figures[figures.Length - 1] <- (calls.Hits()).detach().sum()
    whole

let private figuresOf weights : Tensor[] =
    Array.zeroCreate (if Array.length weights > 1 then weights.Length + 1 else 1)

/// A step of one slice.
let stepOfOwn calls =
    let gradient, loss, hits = sumsOfStep ()
    let weights = Array.ofList calls.Weights
    let figures = figuresOf weights
    let samples = Scalars.Of(float BatchSize)

    let slice () =
        gradient.zero_ () |> ignore
        use slice = torch.NewDisposeScope()
        use before = gradient.clone ()
        gradient.zero_ () |> ignore
        let losses = calls.Forward()
        calls.Backward losses
        use gradless = torch.no_grad ()
        gradient.div_(samples).add_(before, Scalars.Of 1.0) |> ignore
        let whole = sums calls weights losses figures
        use gradless = torch.no_grad ()
        loss.add_ (whole / samples, Scalars.Of 1.0) |> ignore

        for figure in figures do
            hits.add_ (figure, Scalars.Of 1.0) |> ignore

    around (fun () ->
        slice ()
        (torch.no_grad ()).Dispose())

/// A validation batch.
let validationOfOwn calls =
    let weights = Array.ofList calls.Weights
    let figures = figuresOf weights

    fun () ->
        use batch = torch.NewDisposeScope()
        use gradless = torch.no_grad ()
        let losses = calls.Forward()
        summed (sums calls weights losses figures)

        for figure in figures do
            summed figure

/// Backward from each loss into weights of its own; from none, of a loss without any.
let private backward (weights: float list) (trained: IList<Tensor> list) =
    let weights, trained = Array.ofList weights, Array.ofList trained

    fun (losses: Tensor[]) ->
        for i in 0 .. losses.Length - 1 do
            let sum = losses[i].sum() * Scalars.Of weights[i]
            sum.backward (retain_graph = true, inputs = trained[i])

/// Backward from the sum of all losses.
let private backwardOfAll (weights: float list) =
    let weights = Array.ofList weights

    fun (losses: Tensor[]) ->
        let mutable sum = losses[0].sum() * Scalars.Of weights[0]

        for i in 1 .. losses.Length - 1 do
            sum <- sum.add (losses[i].sum() * Scalars.Of weights[i], Scalars.Of 1.0)

        sum.backward ()

let private images () =
    let images = torch.rand pixels
    fun () -> images.reshape pixels

let private labels () =
    torch.zeros (int64 BatchSize, dtype = torch.int64)

let private kernelAndBias kernel = weight kernel, weight [ kernel.Head ]

let private list (weights: Tensor seq) : IList<Tensor> = Array.ofSeq weights

// ---- a convolution and a dense layer ----

let private classifier () =
    let kernel, bias = kernelAndBias [ 4L; 1L; 5L; 5L ]
    let last, added = kernelAndBias [ 10L; 576L ]
    let convolve = convolution kernel bias

    (fun (x: Tensor) -> dense last added (((convolve x).tanh()).flatten 1L)), list [ kernel; bias; last; added ]

let private crossEntropyBy backwardOf =
    let network, weights = classifier ()
    let images, labels = images (), labels ()
    let made: Tensor[] = Array.zeroCreate 1

    { Weights = [ 1.0 ]
      Forward =
        fun () ->
            made[0] <- network (images ())
            [| Functional.cross_entropy (made[0], labels, reduction = torch.nn.Reduction.None) |]
      Backward = backwardOf weights
      Hits = fun () -> hitsOf made[0] labels }

/// `CrossEntropy`, which makes its list anew.
let crossEntropy () =
    crossEntropyBy (fun _ -> backwardOfAll [ 1.0 ])

/// The same into the weights of the dense layer.
let crossEntropyOfLast () =
    crossEntropyBy (fun weights -> backward [ 1.0 ] [ list (Seq.skip 2 weights) ])

/// Two passes, one of them with noise.
let twoPasses () =
    let network, _ = classifier ()
    let images, labels = images (), labels ()
    let made, losses: Tensor[] * Tensor[] = Array.zeroCreate 1, Array.zeroCreate 2

    { Weights = [ 1.0; 0.5 ]
      Forward =
        fun () ->
            let image = images ()

            let noise = torch.empty (pixels, dtype = torch.float32)
            let noisy = network (image.add (noise, alpha = Scalars.Of 0.1))
            made[0] <- network image
            losses[0] <- Functional.cross_entropy (made[0], labels, reduction = torch.nn.Reduction.None)
            losses[1] <- (made[0].softmax 1L - noisy.softmax 1L).Squared().sum 1L
            losses
      Backward = backwardOfAll [ 1.0; 0.5 ]
      Hits = fun () -> hitsOf made[0] labels }

// ---- a critic and a restorer ----

/// `Adversarial`; `collect` makes its list, or uses one again.
let adversarial (collect: Tensor -> Tensor -> Tensor[]) =
    let criticKernel, criticBias = kernelAndBias [ 4L; 1L; 5L; 5L ]
    let last, added = kernelAndBias [ 1L; 576L ]
    let kernel, bias = kernelAndBias [ 1L; 1L; 3L; 3L ]

    let convolve, restore =
        convolution criticKernel criticBias, convolve 1L 1L 1L kernel bias

    let critic x =
        dense last added (((convolve x).tanh()).flatten 1L)

    let left, right, same = images (), images (), labels ()
    let made: Tensor[] = Array.zeroCreate 2

    { Weights = [ 1.0; 1.0 ]
      Forward =
        fun () ->
            let left, right = left (), right ()
            made[0] <- critic left
            made[1] <- critic ((restore (right.contiguous ())).tanh())
            let real, restored = made[0].squeeze 1L, made[1].squeeze 1L

            let criticised =
                -((Functional.logsigmoid real).Plus(Functional.logsigmoid (-restored)))

            collect criticised (-(Functional.logsigmoid restored))
      Backward = backward [ 1.0; 1.0 ] [ list [ criticKernel; criticBias; last; added ]; list [ kernel; bias ] ]
      Hits =
        fun () ->
            let said = made[0].gt(Scalars.Of 0.0).``to``(torch.int64).squeeze 1L
            (said.eq same).``to`` made[0].dtype }

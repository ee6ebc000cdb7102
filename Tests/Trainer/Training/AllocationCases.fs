/// Networks, each with what a step of it is by hand, by the calls of its layers.
module internal CnnCluster.Tests.Trainer.Training.AllocationCases

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Trainer.Training.CallsByHand
open CnnCluster.Tests.Trainer.Training.FunctionsByHand

/// Steps of an epoch.
let Steps = AllocatedBytes.rounds

let private planOfBatches size layers settings =
    Replicas.plan
        $"""
network N {{
    input 28x28x1
{layers}
    flatten
    dense 10
}}

train N {{
    data digits train={size * Steps} test={BatchSize * Steps}
    loss cross-entropy
    optimizer sgd lr=0.01
    batch {size}
    seed 3
{settings}
}}
"""

let planOf layers settings = planOfBatches BatchSize layers settings

let inLanes = planOf "    conv 4 5x5 stride=2 relu" ""

/// How a convolution's values lie in memory: of so many channels, 12×12, and pooled 6×6.
let private passOf isSideBySide channels =
    let values side =
        shape [ int64 BatchSize; channels; side; side ]

    Pass(isSideBySide, values 12L, values 12L), Pass(isSideBySide, values 12L, values 6L)

let private norm channels pass =
    let scale, shift = weight [ channels ], weight [ channels ]
    fun (x: Tensor) -> BatchNorm.Of(x, scale, shift, pass)

let private firstConvolution () =
    convolution (weight [ 4L; 1L; 5L; 5L ]) (weight [ 4L ])

let private lastOf features =
    let last, added = weight [ 10L; features ], weight [ 10L ]
    fun (x: Tensor) -> dense last added (x.flatten 1L)

// ---- networks of float32 ----

let private oneRunInLanesGradless () =
    fun (x: Tensor) ->
        use detached = x.detach ()
        use _ = detached.contiguous ()
        (torch.empty (logits, dtype = torch.float32)).flatten 1L

let private poolingLayers =
    "    conv 4 5x5 stride=2 tanh\n    batchnorm relu\n    maxpool 2x2"

let private pooling () =
    let whole, pooled = passOf false 4L
    let convolution, norm, last = firstConvolution (), norm 4L whole, lastOf 144L
    fun x -> last (MaxPool.Of(norm ((convolution x).tanh()), pooled))

let private withDropout () =
    let whole, pooled = passOf false 4L
    let convolution, norm, last = firstConvolution (), norm 4L whole, lastOf 144L

    fun x ->
        let greatest = MaxPool.Of(norm ((convolution x).tanh()), pooled)
        use mask = torch.empty (pooled.Output, dtype = torch.float32)
        last (greatest * mask)

/// Behind a convolution of a single channel they do not lie side by side yet.
let private sideBySideLayers =
    "    conv 16 5x5 stride=2 tanh\n    conv 16 1x1 tanh\n    batchnorm relu\n    maxpool 2x2"

let private channelsSideBySide () =
    let whole, pooled = passOf true 16L
    let first = convolve 2L 0L 1L (weight [ 16L; 1L; 5L; 5L ]) (weight [ 16L ])
    let mix = convolve 1L 0L 2L (weight [ 16L; 16L; 1L; 1L ]) (weight [ 16L ])
    let norm, last = norm 16L whole, lastOf 576L

    let mixed x =
        mix (sideBySide ((first (sideBySide x)).tanh()))

    fun x -> last (MaxPool.Of(norm ((mixed x).tanh()), pooled))

let private winogradLayers =
    "    conv 16 5x5 stride=2 tanh\n    conv 16 3x3 pad=same relu"

let private byWinograd () =
    let whole, _ = passOf true 16L
    let first = convolve 2L 0L 1L (weight [ 16L; 1L; 5L; 5L ]) (weight [ 16L ])
    let kernel, bias, last = weight [ 16L; 16L; 3L; 3L ], weight [ 16L ], lastOf 2304L
    fun x -> last (Winograd.Of((first (sideBySide x)).tanh(), kernel, bias, whole))

let private averages () =
    let convolution, average, last = firstConvolution (), averagePooling (), lastOf 144L
    fun x -> last (average ((convolution x).tanh()))

let private greatestOfEach () =
    let _, pooled = passOf false 4L
    let convolution, last = firstConvolution (), lastOf 144L

    fun x ->
        let greatest = MaxPool.Of((convolution x).tanh(), pooled)
        use mask = torch.empty (pooled.Output, dtype = torch.float32)
        last (greatest * mask)

let private shapedLayers =
    [ "conv 4 5x5 stride=2 tanh"
      "gaussiannoise 0.1"
      "zeropad 1"
      "convtranspose 4 2 stride=2"
      "groupnorm 2"
      "localresponsenorm 3"
      "crop 2"
      "upsample 2"
      "adaptiveavgpool 6"
      "layernorm"
      "globalavgpool" ]
    |> List.map (fun layer -> "    " + layer)
    |> String.concat "\n"

let private shaped () =
    let n = int64 BatchSize
    let weights () = weight [ 4L ], weight [ 4L ]

    [ firstConvolution () >> _.tanh()
      noise [ n; 4L; 12L; 12L ]
      padding ()
      transposed (weight [ 4L; 4L; 2L; 2L ]) (weight [ 4L ])
      weights () ||> groups [ n; 4L; 784L ] [ n; 4L; 28L; 28L ]
      responses [ n; 1L; 4L; 784L ] [ n; 4L; 28L; 28L ]
      cropped 24L
      enlarged [ n; 4L; 24L; 1L; 24L; 1L ] [ n; 4L; 24L; 2L; 24L; 2L ] [ n; 4L; 48L; 48L ]
      adaptive 6L
      weights () ||> overChannels [ n; 4L; 36L ] [ n; 4L; 6L; 6L ]
      overall [ n; 4L; 36L ] [ n; 4L ]
      lastOf 4L ]
    |> List.reduce (>>)

// ---- networks of a single sample ----

let private ofOneLayers =
    "    conv 4 3x3 stride=2 tanh\n    convtranspose 4 2 stride=2"

let private ofOne () =
    let convolution =
        besideZeros (convolve 2L 0L 1L (weight [ 4L; 1L; 3L; 3L ]) (weight [ 4L ]))

    let transposed = besideZeros (spread (weight [ 4L; 4L; 2L; 2L ]) (weight [ 4L ]))

    let last, added = weight [ 10L; 2704L ], weight [ 10L ]
    fun (x: Tensor) -> denseOfOne last added ((transposed ((convolution x).tanh())).flatten 1L)

// ---- networks of other types ----

let private inBFloat16 () =
    let kernel, bias = weight [ 4L; 1L; 5L; 5L ], weight [ 4L ]
    let last, added = weight [ 10L; 576L ], weight [ 10L ]
    let strides, nothing, once = shape [ 2L; 2L ], shape [ 0L; 0L ], shape [ 1L; 1L ]
    let reduced (x: Tensor) = x.``to`` torch.bfloat16

    fun (x: Tensor) ->
        let x = (reduced x).contiguous()

        let features =
            torch.nn.functional.conv2d (x, reduced kernel, reduced bias, strides, nothing, once, 1L)

        (dense (reduced last) (reduced added) (features.relu_().flatten 1L)).``to`` torch.float32

let private batchNormLayers = "    conv 4 5x5 stride=2 tanh\n    batchnorm relu"

let private inFloat64 () =
    let convolution =
        convolution (weightOf torch.float64 [ 4L; 1L; 5L; 5L ]) (weightOf torch.float64 [ 4L ])

    let norm = batchNorm torch.float64 4L

    let last, added =
        weightOf torch.float64 [ 10L; 576L ], weightOf torch.float64 [ 10L ]

    fun (x: Tensor) ->
        let x = x.``to`` (torch.float64, torch.CPU)
        dense last added ((norm ((convolution x).tanh())).flatten 1L)

// ---- all ----

/// Three shards of 3, 3 and 2 samples.
let private uneven = "    exact shards=3"

let private exact = "    exact shards=4"
let private float64 = "    precision float64"

/// What a plan's step is by hand.
let cases =
    let inOne network = fun () -> step 1 (network ())

    [ "layers in lanes", inLanes, stepInLanes
      "batch norm in lanes", planOf "    conv 4 5x5 stride=2\n    batchnorm relu" "", stepInLanes
      "shards that go through lanes together",
      planOf "    conv 4 5x5 stride=2\n    batchnorm relu" exact,
      (fun () -> stepOfShards 4)
      "layers outside lanes", planOf (poolingLayers + "\n    dropout 0.3") "", inOne withDropout
      "layers that shape their input", planOf shapedLayers "", inOne shaped
      "channels side by side", planOf sideBySideLayers "", inOne channelsSideBySide
      "a convolution by Winograd's algorithm", planOf winogradLayers "", inOne byWinograd
      "average pooling with padding",
      planOf "    conv 4 5x5 stride=2 tanh\n    avgpool 3x3 stride=2 pad=1" "",
      inOne averages
      "shards that go in turn",
      planOf "    conv 4 5x5 stride=2 tanh\n    maxpool 2x2\n    dropout 0.3" uneven,
      (fun () -> step 3 (greatestOfEach ()))
      "bfloat16", planOf "    conv 4 5x5 stride=2 relu" "    precision bfloat16", inOne inBFloat16
      "batch norm in float64", planOf batchNormLayers float64, inOne inFloat64 ]

/// Plans whose shards go in lockstep, with what a shard's thread does in a step by hand.
let lockstepCases =
    [ "in float32", planOf poolingLayers uneven, (fun () -> sliceOfShard (pooling ()))
      "in float64", planOf batchNormLayers (exact + "\n" + float64), (fun () -> sliceOfShard (inFloat64 ())) ]

/// A plan whose batches are of one sample, with its step by hand.
let caseOfOne = planOfBatches 1 ofOneLayers "", (fun () -> stepOfOne (ofOne ()))

/// Plans with their validation batches by hand.
let validationCases =
    let outside = "    conv 4 5x5 stride=2 tanh\n    avgpool 3x3 stride=2 pad=1"

    [ "layers in lanes", inLanes, (fun () -> validationBatch (oneRunInLanesGradless ()))
      "layers outside lanes", planOf outside "", (fun () -> validationBatch (averages ()))
      "of shards", planOf outside uneven, (fun () -> validationBatch (averages ())) ]

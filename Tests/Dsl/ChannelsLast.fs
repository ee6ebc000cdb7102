/// Layers behind a convolution whose output has its channels side by side.
module CnnCluster.Tests.Dsl.ChannelsLast

/// Bodies without the input and the convolution.
let layers =
    [ "relu"
      "maxpool 2x2"
      "maxpool 3 stride=2 pad=same"
      "avgpool 2x2"
      "avgpool 3 stride=1 pad=same"
      "globalavgpool"
      "globalmaxpool"
      "adaptiveavgpool 3"
      "adaptivemaxpool 3"
      "conv 8 1"
      "conv 24 3 stride=2 pad=1"
      "conv 24 3 stride=4 relu"
      "conv 20 3 groups=4"
      "depthwise 3 pad=same relu"
      "separable 16 3"
      "convtranspose 8 2 stride=2"
      "upsample 2 bilinear"
      "zeropad 1"
      "reflectpad 1"
      "crop 1"
      "reshape 9x16x20"
      "flatten"
      "batchnorm relu"
      "layernorm"
      "layernorm all"
      "groupnorm 4"
      "instancenorm"
      "localresponsenorm"
      "prelu alpha-init=constant(0.25)"
      "add { conv 20 3 pad=1 } { } relu"
      "concat { conv 20 3 pad=1 } { maxpool 3 stride=1 pad=1 }"
      "dropout 0.4"
      "spatialdropout 0.4" ]

let behindConvolution layer =
    $"input 12x12x3\nconv 20 3 pad=1 relu\n{layer}"

/// A few uses of every layer, which the laws of layers are held to.
module CnnCluster.Tests.Dsl.LayerCases

open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Tests.Dsl.Networks

/// Networks whose last layer is the one in question. Every layer of the catalogue must have some.
let cases =
    Map
        [ "conv",
          [ "input 6x3\nconv 4 3 stride=2 pad=same"
            "input 5x6x2\nconv 3 3x2 pad=[1 0; 0 2] stride=2x1 kernel-init=normal bias-init=normal"
            "input 6x5x4\nconv 4 2x3 groups=2 dilation=2x1 bias=no"
            "input 1x1x3\nconv 2 3x3 pad=1"
            "input 1x1x4\nconv 4 3x5 pad=[4 0; 2 2] dilation=2x1 stride=2 groups=2"
            "input 4x4x4x2\nconv 2 2x2x3 stride=2 pad=1" ]
          "maxpool",
          [ "input 7x2\nmaxpool 3 stride=2 pad=same"
            "input 5x6x2\nmaxpool 2x3 stride=2 pad=1x1"
            "input 5x5x1\nmaxpool 2x2 ceil"
            "input 4x4x5x2\nmaxpool 2 pad=same" ]
          "avgpool",
          [ "input 7x2\navgpool 3 stride=2 pad=same"
            "input 5x6x2\navgpool 2x3 stride=2 pad=1x1"
            "input 5x5x1\navgpool 2x2 ceil"
            "input 4x4x5x2\navgpool 2 pad=same" ]
          "depthwise",
          [ "input 6x3\ndepthwise 3 stride=2 pad=same multiplier=2"
            "input 5x6x2\ndepthwise 3x2 pad=[1 0; 0 2] stride=2x1 bias-init=normal"
            "input 6x5x3\ndepthwise kernel=gaussian pad=same multiplier=2"
            "input 4x4x4x2\ndepthwise 2x2x3 dilation=1x2x1 pad=1 bias=no" ]
          "separable",
          [ "input 6x3\nseparable 4 3 stride=2 pad=same"
            "input 5x6x2\nseparable 3 3x2 pad=1x0 multiplier=2 bias-init=normal"
            "input 4x4x4x2\nseparable 3 2 dilation=2 bias=no" ]
          "convtranspose",
          [ "input 5x2\nconvtranspose 3 3 stride=2 pad=same"
            "input 3x4x4\nconvtranspose 4 3x2 stride=2x3 pad=valid groups=2 bias-init=normal"
            "input 4x3x2\nconvtranspose 2 3 stride=2 pad=1 output-pad=1 dilation=1x2"
            "input 4x5x1\nconvtranspose 2 4 stride=3x1 pad=[2 0; 0 3]"
            "input 2x3x2x2\nconvtranspose 2 1x2x3 stride=2 pad=same bias=no" ]
          for word in [ "globalavgpool"; "globalmaxpool" ] do
              word, [ $"input 6x3\n{word}"; $"input 5x4x1\n{word} keep"; $"input 2x3x2x2\n{word}" ]
          for word in [ "adaptiveavgpool"; "adaptivemaxpool" ] do
              word,
              [ $"input 7x2\n{word} 3"
                $"input 5x6x2\n{word} 3x2"
                $"input 3x2x2\n{word} 4x2"
                $"input 3x4x1\n{word} 1"
                $"input 4x3x5x2\n{word} 2x3x1" ]
          "upsample",
          [ "input 4x3\nupsample"
            "input 3x4x2\nupsample 2x3"
            "input 2x3x2x2\nupsample 1x2x3"
            "input 4x3\nupsample 3 bilinear"
            "input 3x4x2\nupsample 2x3 bilinear"
            "input 2x3x2x2\nupsample 2 mode=bilinear" ]
          for word in [ "zeropad"; "replicatepad"; "reflectpad" ] do
              word,
              [ $"input 5x2\n{word} 2"
                $"input 3x4x2\n{word} [0 2; 1 3]"
                $"input 3x4x2\n{word} 0"
                $"input 3x2x4x1\n{word} 1x0x2" ]
          "constantpad", [ "input 3x4x2\nconstantpad [1 0; 2 1] value=-1.5"; "input 4x1\nconstantpad 1" ]
          "crop",
          [ "input 5x2\ncrop 1"; "input 4x6x2\ncrop [2 1; 0 3]"; "input 3x4x3x1\ncrop 1x0x1"; "input 3x1\ncrop 0" ]
          "reshape", [ "input 3x4x2\nreshape 2x6x2"; "input 12\nreshape 2x3x2"; "input 2x2x3x1\nreshape 12" ]
          "flatten", [ "input 3x4x2\nflatten"; "input 5\nflatten"; "input 2x2x2x2\nflatten" ]
          "dense", [ "input 5\ndense 4 bias-init=normal"; "input 3\ndense 2 bias=no tanh" ]
          "dropout", [ "input 3x4x2\ndropout 0.4"; "input 9\ndropout 0.5" ]
          "batchnorm",
          [ "input 3x4x2\nbatchnorm"
            "input 4\nbatchnorm scale=no epsilon=0.1"
            "input 5x3\nbatchnorm shift=no"
            "input 2x2x2x2\nbatchnorm sync=no" ]
          "spatialdropout", [ "input 3x4x5\nspatialdropout 0.4"; "input 4x3\nspatialdropout 0.5" ]
          "layernorm",
          [ "input 3x4x2\nlayernorm"
            "input 5\nlayernorm scale=no epsilon=0.1"
            "input 4x3\nlayernorm all"
            "input 2x2x2x3\nlayernorm over=all shift=no"
            "input 2x2x1x3\nlayernorm scale=no shift=no" ]
          "groupnorm",
          [ "input 3x4x4\ngroupnorm 2"
            "input 6\ngroupnorm 3 shift=no"
            "input 2x1x32\ngroupnorm"
            "input 2x2x2x4\ngroupnorm 2 scale=no shift=no epsilon=0.01" ]
          "instancenorm",
          [ "input 3x4x2\ninstancenorm"; "input 5x3\ninstancenorm scale=no"; "input 2x2x3x2\ninstancenorm" ]
          "localresponsenorm",
          [ "input 2x3x7\nlocalresponsenorm alpha=0.5"
            "input 4x3\nlocalresponsenorm 9 alpha=1 k=1"
            "input 2x2x2x4\nlocalresponsenorm 3 alpha=2 beta=0.6 k=0.5" ]
          "gaussiannoise", [ "input 3x3x3\ngaussiannoise 0.4"; "input 9\ngaussiannoise 0" ]
          "gaussiandropout", [ "input 3x3x3\ngaussiandropout 0.4"; "input 9\ngaussiandropout 0" ]
          "rescale", [ "input 3x4x2\nrescale 1/127.5 offset=-1"; "input 5\nrescale -2" ]
          "prelu",
          [ "input 3x4x2\nprelu alpha-init=normal"; "input 4\nprelu alpha-init=constant(0.25)"; "input 2x2x2x3\nprelu" ]
          for word in [ "add"; "subtract"; "multiply"; "average"; "maximum"; "minimum" ] do
              word,
              [ $"input 3x4x2 as x\nconv 2 3 pad=same\n{word} x here"
                $"input 4 as x\n{word} {{ dense 1 }} x {{ tanh }}" ]
          "concat", [ "input 3x4x2 as x\nconv 3 3 pad=same\nconcat x here"; "input 4\nconcat { dense 2 } { }" ] ]

let everyCase =
    [ for layer in Catalogue.layers do
          for body in Map.tryFind layer.Name cases |> Option.defaultValue [] -> layer.Name, body ]

let scope act =
    use _ = torch.NewDisposeScope()
    act ()

let runPlan plan training count =
    let network, tensors = networkOf plan 3UL
    network.Step <- step training count
    let x = samples plan (int count)
    plan, network, tensors, x, network.forward x

let run body = runPlan (planOf body)

let expectedShape (plan: NetworkPlan) count =
    count
    :: int64 plan.OutputShape.Channels
    :: [ for side in plan.OutputShape.Sides -> int64 side.Value ]

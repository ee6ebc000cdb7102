/// Scripts in the F# form, each with the text that it stands for; Samples.CSharp has the same in C#.
module CnnCluster.Tests.Dsl.Doors.EmbeddedScripts

open CnnCluster.Dsl.Embedded

let lenet =
    script
        [ network
              "LeNet5"
              [ input "28x28x1"
                conv (6, "5x5", "pad" => "same", relu)
                maxpool "2x2"
                conv (16, (5, 5), relu)
                maxpool "2x2"
                flatten ()
                dense (120, relu)
                dense (84, relu)
                dense 10 ]
          train
              "LeNet5"
              [ data "mnist"
                loss "cross-entropy"
                optimizer ("sgd", "lr" => 0.05, "momentum" => 0.9, "nesterov")
                schedule ("inverse-time", "decay" => 1e-4)
                batch 64
                earlyStop ("monitor" => "val_loss", "patience" => 3, "restore" => "best") ] ]

let lenetText =
    """
network LeNet5 {
    input 28x28x1
    conv 6 5x5 pad=same relu
    maxpool 2x2
    conv 16 5x5 relu
    maxpool 2x2
    flatten
    dense 120 relu
    dense 84 relu
    dense 10
}

train LeNet5 {
    data mnist
    loss cross-entropy
    optimizer sgd lr=0.05 momentum=0.9 nesterov
    schedule inverse-time decay=1e-4
    batch 64
    early-stop monitor=val_loss patience=3 restore=best
}
"""

let residual =
    script
        [ block
              "basic(filters, stride = 1)"
              [ add (
                    [ conv ("filters", 3, "stride" => "stride", "pad" => 1)
                      batchnorm relu
                      conv ("filters", 3, "pad" => 1)
                      batchnorm () ],
                    [ if'
                          "stride > 1 or here.channels != filters"
                          [ conv ("filters", 1, "stride" => "stride"); batchnorm () ] ],
                    relu
                ) ]
          network
              "Residual"
              [ defaults [ conv ("bias" => false, "kernel-init" => "he") ]
                input "32x32x3"
                conv (16, "3x3", "pad" => "same", relu, as' "stem")
                repeatIn
                    "filters, count, stride"
                    [ 16, 2, 1; 32, 2, 2 ]
                    [ layer ("basic", "filters", "stride" => "stride")
                      repeat "count-1" [ layer ("basic", "filters") ] ]
                flatten ()
                dense 7 ] ]

let residualText =
    """
block basic(filters, stride = 1) {
    add {
        conv filters 3 stride=stride pad=1
        batchnorm relu
        conv filters 3 pad=1
        batchnorm
    } {
        if stride > 1 or here.channels != filters { conv filters 1 stride=stride; batchnorm }
    } relu
}

network Residual {
    defaults { conv bias=no kernel-init=he }
    input 32x32x3
    conv 16 3x3 pad=same relu as stem
    repeat filters, count, stride in [16 2 1; 32 2 2] {
        basic filters stride=stride
        repeat count-1 { basic filters }
    }
    flatten
    dense 7
}
"""

let siamese =
    script
        [ shared "tower" [ conv (8, "3x3", relu); maxpool 2; flatten (); dense 16 ]
          network
              "Siamese"
              [ input ("left", "28x28x1")
                input ("right", "28x28x1")
                concat ([ from "left"; layer "tower" ], [ from "right"; layer "tower" ])
                dense (1, sigmoid) ] ]

let siameseText =
    """
shared tower { conv 8 3x3 relu; maxpool 2; flatten; dense 16 }

network Siamese {
    input left 28x28x1
    input right 28x28x1
    concat { from left; tower } { from right; tower }
    dense 1 sigmoid
}
"""

let counted =
    script
        [ network
              "Counted"
              [ let' "wide = 4 * 2"
                input "?x?x1"
                conv ("kernel" => [ [ 1; 2; 1 ]; [ 2; 4; 2 ]; [ 1; 2; 1 ] ], "pad" => "same")
                repeat 2 [ conv ("wide", 3, "pad" => "[1 1; 1 1]"); leakyrelu 0.1 ]
                output "early"
                repeat "i in 1..3" [ ifElse "i == 2" [ avgpool 2 ] [ conv ("wide*i", 1, leakyrelu 0.2) ] ]
                as' "deep"
                output "late" ] ]

let countedText =
    """
network Counted {
    let wide = 4 * 2
    input ?x?x1
    conv kernel=[1 2 1; 2 4 2; 1 2 1] pad=same
    repeat 2 { conv wide 3 pad=[1 1; 1 1]; leakyrelu 0.1 }
    output early
    repeat i in 1..3 {
        if i == 2 { avgpool 2 } else { conv wide*i 1 leakyrelu(0.2) }
    }
    as deep
    output late
}
"""

/// What is computed in which type where a run has one of 16 bits, as the reference has it: from the layers' plans.
module CnnCluster.Tests.Docs.PrecisionTable

open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Tests.Dsl
open CnnCluster.Tests.Dsl.Networks

let private arithmeticOf (layer: LayerDefinition) =
    (List.last (planOf LayerCases.cases[layer.Name].Head).Nodes).Layer.Arithmetic

let private words names =
    String.concat ", " [ for name: string in names -> $"`{name}`" ]

let private layersOf arithmetic =
    words
        [ for layer in Catalogue.layers do
              if arithmeticOf layer = arithmetic then layer.Name ]

let private activationsThat isExact =
    words
        [ for definition in Activation.all do
              if definition.Exact = isExact then definition.Name ]

let lines =
    [ "| computed in | layers | activations |"
      "|---|---|---|"
      $"| 16 bits, weights rounded for the pass | {layersOf Arithmetic.Products} | |"
      $"| the type of their inputs, float32 where these differ | {layersOf Arithmetic.AsGiven} | {activationsThat true} |"
      $"| float32 | {layersOf Arithmetic.Full}, layers of one's own; the network's outputs | {activationsThat false} |" ]

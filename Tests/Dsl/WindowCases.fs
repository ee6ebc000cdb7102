/// Windows at random, and layers over them that are to give what a reference gives.
module CnnCluster.Tests.Dsl.WindowCases

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.LayerCases
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Networks
open CnnCluster.Tests.Dsl.Scripts

type Padded =
    | IsSame
    | IsValid
    | Number of int
    | PerSide of (int * int) list

type WindowCase =
    { Sides: int list
      Channels: int
      Filters: int
      Groups: int
      Padding: Padded
      Geometry: Geometry
      Samples: int }

/// Windows over inputs of at most so many elements a side, with kernels of at most so many.
let genWindowUpTo greatest widest pooling =
    gen {
        let! rank = Gen.choose (1, 3)

        let axes low high =
            Gen.listOfLength rank (Gen.choose (low, high))

        let! sides = axes 1 (if rank = 3 then min 5 greatest else greatest)
        let! kernel = axes 1 (if rank = 3 then min 3 widest else widest)
        let! stride = axes 1 3
        let! dilation = if pooling then Gen.constant (List.replicate rank 1) else axes 1 2
        // Pooling refuses padding as wide as its window.
        let most = if pooling then List.min kernel - 1 else 3
        let! one = Gen.choose (0, most)

        let! pairs =
            Gen.listOfLength rank (Gen.zip (Gen.choose (0, most)) (Gen.choose (0, most)))

        let! padding = Gen.elements [ IsSame; IsValid; Number one; PerSide pairs ]
        let! groups = Gen.choose (1, 3)
        let! depth = Gen.choose (1, 2)
        let! width = Gen.choose (1, 2)
        let! count = Gen.elements [ 0; 1; 2 ]

        let bare =
            { Kernel = kernel
              Stride = stride
              Dilation = dilation
              Before = List.replicate rank 0
              After = List.replicate rank 0 }

        return
            { Sides = sides
              Channels = groups * depth
              Filters = groups * width
              Groups = groups
              Padding = padding
              Samples = count
              Geometry =
                match padding with
                | IsSame -> samePadding bare sides
                | IsValid -> bare
                | Number p ->
                    { bare with
                        Before = List.replicate rank p
                        After = List.replicate rank p }
                | PerSide pairs ->
                    { bare with
                        Before = List.map fst pairs
                        After = List.map snd pairs } }
    }

let genWindow pooling = genWindowUpTo 9 7 pooling

let list (numbers: int list) = "[" + String.Join(" ", numbers) + "]"

let settings case =
    let pad =
        match case.Padding with
        | IsSame -> "same"
        | IsValid -> "valid"
        | Number p -> string p
        | PerSide pairs ->
            "["
            + String.Join("; ", [ for before, after in pairs -> $"{before} {after}" ])
            + "]"

    $"{list case.Geometry.Kernel} stride={list case.Geometry.Stride} pad={pad}"

let bodyOf case layer =
    let shape = String.Join("x", case.Sides @ [ case.Channels ])
    $"input {shape}\n{layer}"

/// The layer gives what the reference gives, and is refused where the reference has no output.
let agrees layer case (reference: NdArray -> torch.Tensor list -> NdArray) =
    let body = bodyOf case layer

    let result =
        Script.Network(source ("network N {\n" + body + "\n}"), null, [], catalogues)

    if outputSides case.Geometry case.Sides |> List.contains 0 then
        Expect.isTrue result.HasErrors $"{body} fits nowhere"
    else
        scope (fun () ->
            let _, _, tensors, x, y = run body false (int64 case.Samples)
            let expected = reference (ofTensor x) (List.ofSeq tensors.Weights)
            Expect.sequenceEqual y.shape (List.map int64 expected.Dims) body
            Expect.isLessThan (distance expected.Data (values y)) 1e-12 body)

let property name generator check =
    testPropertyWithConfig
        { FsCheckConfig.defaultConfig with
            maxTest = 60 }
        name
        (Prop.forAll (Arb.fromGen generator) check)

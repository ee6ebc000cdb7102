namespace CnnCluster.Dsl

open CnnCluster.Kernels.Layers.Lanes

/// One stage of a run: layers that are computed at once.
[<RequireQualifiedAccess>]
type LaneStagePlan =
    /// A convolution's node, and what is done with its sums.
    | Convolution of node: int * ConvolutionGeometry * StageEnding
    /// A dense layer's node, and whether ReLU follows.
    | Dense of node: int * relu: bool
    /// A batch normalisation's node, and what is done with its results.
    | Normalisation of node: int * NormalisationSettings * StageEnding

/// Nodes of a plan that follow one another and are computed in lanes, first and last included; each stage with its last node.
type LaneRunPlan =
    { First: int
      Last: int
      Stages: (LaneStagePlan * int) list }

/// Which layers of a network are computed in lanes. The choice is by shapes alone, so that every worker, and every run,
/// makes the same.
module LaneRuns =
    /// The most multiply-adds over one pixel for which lanes beat libtorch (docs/adr/0009).
    [<Literal>]
    let private MostTaps = 200

    /// From so many filters on libtorch's convolutions are faster, with their channels side by side (docs/adr/0013).
    [<Literal>]
    let private ManyFilters = 16

    let private activation (node: PlanNode) =
        match node.Activation with
        | None -> "linear"
        | Some known -> known.Definition.Name

    let private isPlain (node: PlanNode) =
        match activation node with
        | "linear"
        | "relu" -> true
        | _ -> false

    /// Numbers of a sample, with the zeros around it: 16 samples, of six filters at least, are addressed by 32 bits.
    [<Literal>]
    let private MostElements = 16777216L

    let private isAddressable (geometry: ConvolutionGeometry) (node: PlanNode) =
        match node.InputShapes.Head.Sides, node.Layer.Output.Elements with
        | [ Some height; Some width ], Some outputs ->
            let along side (before: int) (after: int) = int64 side + int64 before + int64 after

            let padded =
                along height geometry.Before.Height geometry.After.Height
                * along width geometry.Before.Width geometry.After.Width

            padded <= MostElements / int64 node.InputShapes.Head.Channels
            && outputs <= MostElements / int64 (geometry.Stride.Height * geometry.Stride.Width)
        | _ -> false

    let private fits isChosen (node: PlanNode) =
        match node.Layer.Lanes with
        | Some(LaneForm.Convolution geometry) ->
            let taps =
                node.InputShapes.Head.Channels * geometry.Kernel.Height * geometry.Kernel.Width

            isPlain node
            && isAddressable geometry node
            && (taps <= MostTaps || not isChosen)
        | Some LaneForm.Dense
        | Some(LaneForm.Normalisation _) -> isPlain node
        | Some LaneForm.MaxPool
        | Some LaneForm.Flatten -> activation node = "linear"
        | None -> false

    /// The nodes that read each node's value alone, and no output of the network does.
    let private onlyReaders (plan: NetworkPlan) =
        let readers =
            [ for i, node in List.indexed plan.Nodes do
                  for input in node.Inputs do
                      input, Some i
              for output in plan.Outputs do
                  output.Source, None ]
            |> List.groupBy fst
            |> dict

        fun i ->
            match readers.TryGetValue(FromNode i) with
            | true, [ _, reader ] -> reader
            | _ -> None

    /// The stages of nodes in a row, as many as make whole stages.
    let rec private stages (nodes: (int * PlanNode) list) =
        match nodes with
        | (i, node) :: rest ->
            match node.Layer.Lanes, rest with
            | Some(LaneForm.Convolution geometry), _ ->
                ended (fun ending -> LaneStagePlan.Convolution(i, geometry, ending)) i node rest
            | Some(LaneForm.Normalisation settings), _ ->
                ended (fun ending -> LaneStagePlan.Normalisation(i, settings, ending)) i node rest
            | Some LaneForm.Dense, _ -> (LaneStagePlan.Dense(i, (activation node = "relu")), i) :: stages rest
            // The features of an image are in the order of flattening already.
            | Some LaneForm.Flatten, (_, next) :: _ when next.Layer.Lanes = Some LaneForm.Dense -> stages rest
            | _ -> []
        | [] -> []

    /// A stage that takes the activation with it, and max-pooling where it follows at once.
    and private ended stage i (node: PlanNode) rest =
        let isRectified = activation node = "relu"

        match rest with
        | (_, next: PlanNode) :: further when next.Layer.Lanes = Some LaneForm.MaxPool ->
            let ending = if isRectified then StageEnding.ReluMaxPool else StageEnding.MaxPool

            (stage ending, i + 1) :: stages further
        | _ ->
            let ending = if isRectified then StageEnding.Relu else StageEnding.Linear
            (stage ending, i) :: stages rest

    /// Nodes from this one on, each of which reads the one before it and is the only one to.
    let private row (nodes: PlanNode[]) isChosen onlyReader first =
        let rec further i =
            [ i, nodes[i]
              match onlyReader i with
              | Some next when next = i + 1 && fits isChosen nodes[next] && nodes[next].Inputs.Length = 1 ->
                  yield! further next
              | _ -> () ]

        further first

    let private begins (nodes: PlanNode[]) =
        function
        | LaneStagePlan.Convolution(i, _, _), _ -> nodes[i].Layer.Output.Channels < ManyFilters
        | LaneStagePlan.Dense _, _
        | LaneStagePlan.Normalisation _, _ -> false

    let private runs isChosen (plan: NetworkPlan) =
        let nodes = Array.ofList plan.Nodes
        let onlyReader = onlyReaders plan

        let rec from i =
            if i >= nodes.Length then
                []
            else
                let found =
                    if fits isChosen nodes[i] then stages (row nodes isChosen onlyReader i) else []

                match found with
                | first :: _ when begins nodes first || not isChosen ->
                    let last = found |> List.last |> snd

                    { First = i
                      Last = last
                      Stages = found }
                    :: from (last + 1)
                | _ -> from (i + 1)

        from 0

    /// The runs of a network, none of which overlap: each begins with a convolution of few filters, since libtorch's
    /// matrix products alone, and its convolutions of many filters, are as fast.
    let ofPlan plan = runs true plan

    /// The same wherever layers have a form in lanes, faster or not: for measurements.
    let everywhere plan = runs false plan

/// What drawings say of a layer, and how they sort layers. All of it is read off the plan, so that a new layer is
/// drawn without a word here.
module internal CnnCluster.Dsl.Drawing.Labels

open CnnCluster.Dsl
open CnnCluster.Dsl.Drawing.Palette

let private kernelRank (node: PlanNode) =
    node.Layer.Weights
    |> List.tryFind (fun weight -> weight.Name = "kernel")
    |> Option.map _.Shape.Length

let private sides rank =
    function
    | [ one ] -> List.replicate (max 1 rank) one
    | several -> several

let private joined sizes =
    sizes |> List.map string |> String.concat "x"

let private size (node: PlanNode) =
    node.Arguments
    |> List.tryPick (fun argument ->
        match argument.Definition.Name, argument.Value with
        | "size", SizeValue size -> Some size
        | _ -> None)

/// Whether a side has grown: by what lies between the elements of the input, not by a window over it.
let private isEnlarged (node: PlanNode) =
    Seq.zip node.Layer.Output.Sides node.InputShapes.Head.Sides
    |> Seq.exists (function
        | Some after, Some before -> after > before
        | _ -> false)

/// The sides of the window that a layer slides over its input, if it does so.
let window (node: PlanNode) =
    let rank = node.InputShapes.Head.Rank

    match size node with
    | _ when isEnlarged node -> None
    | Some size when rank > 0 -> Some(sides rank size)
    | _ ->
        node.Layer.Weights
        |> List.tryFind (fun weight -> weight.Name = "kernel" && weight.Shape.Length > 2)
        |> Option.map (fun weight -> weight.Shape |> List.skip 2 |> List.map int)

/// What the elements of a layer's input see.
let private fieldBefore (plan: NetworkPlan) (node: PlanNode) =
    match node.Inputs.Head with
    | FromInput i -> ReceptiveField.start plan.Inputs[i].Shape.Rank
    | FromNode i -> plan.Nodes[i].Layer.Field

/// Whether an element looks at several of its input's: as in pooling, and in nothing else without weights.
let private seesMore plan (node: PlanNode) =
    match fieldBefore plan node, node.Layer.Field with
    | Window before, Window after ->
        before.Length = after.Length
        && List.exists2 (fun (a: Sight) (b: Sight) -> b.Size > a.Size) before after
    // What keeps all elements, such as 7x7x512 made a vector, sees no more of them than they are.
    | Window _, Whole -> node.Layer.Output.Elements <> node.InputShapes.Head.Elements
    | Whole, _ -> (window node).IsSome

let family plan (node: PlanNode) =
    let output, input = node.Layer.Output, node.InputShapes.Head

    match kernelRank node with
    | _ when node.Inputs.Length > 1 -> Merge
    | Some rank -> if rank > 2 then Convolution else Dense
    | None when not node.Layer.Weights.IsEmpty || not node.Layer.Buffers.IsEmpty -> Normalisation
    | None when node.Activation |> Option.exists (fun a -> a.Definition.Name = node.Kind) -> Activation
    | None when output.Channels = input.Channels && not (isEnlarged node) && seesMore plan node -> Pooling
    | None -> Other

let familyOf (folding: Folding) (part: Part) =
    if part.IsFolded then Block else family folding.Plan part.Nodes.Head

let private argumentText rank (argument: PlanArgument) =
    match argument.Value with
    | SizeValue size when argument.Definition.Positional -> Some(joined (sides rank size))
    | RealValue number when argument.Definition.Positional -> Some(Printer.number number)
    | SizeValue size when argument.Given && List.exists ((<>) 1) size ->
        let text =
            if List.forall ((=) size.Head) size then string size.Head else joined size

        Some $"{argument.Definition.Name}={text}"
    | _ -> None

/// `conv`, `5x5`, `stride=2`, `relu`: the layer and its main arguments. Whole numbers, such as filters, are left to the
/// output's shape.
let words (node: PlanNode) =
    let rank = node.InputShapes.Head.Rank

    let fixedWindow =
        match size node, window node with
        | None, Some window -> [ joined window ]
        | _ -> []

    let activation =
        match node.Activation with
        | Some activation when activation.Definition.Name <> node.Kind -> [ Activation.text activation ]
        | _ -> []

    let name =
        match node.Activation with
        | Some activation when activation.Definition.Name = node.Kind -> Activation.text activation
        | _ -> node.Kind

    (name :: fixedWindow)
    @ List.choose (argumentText rank) node.Arguments
    @ activation

let text node = String.concat " " (words node)

/// The last step of a path: what a part is called within its block.
let localName (path: string) =
    path.Substring(path.LastIndexOf '/' + 1)

/// Whether a layer changes elements where they are, as normalisations and activations do: it can be drawn with the
/// layer in front of it.
let isPointwise plan (node: PlanNode) =
    match family plan node with
    | Normalisation
    | Activation
    | Other -> node.Layer.Output = node.InputShapes.Head
    | _ -> false

/// `weights of tower/conv1`, behind a later use of a shared set.
let sharing (part: Part) =
    if part.IsShared then Some $"weights of {part.Owner}" else None

/// Whether a part has weights, and trains none of them.
let isFrozen (part: Part) =
    let weights = part.Nodes |> List.collect _.Layer.Weights
    not weights.IsEmpty && not (weights |> List.exists _.Trainable)

/// `LeNet5: 61,706 parameters, 416,520 multiply-adds for one sample`.
let summary (plan: NetworkPlan) =
    let number (n: int64) =
        n.ToString("N0", System.Globalization.CultureInfo.InvariantCulture)

    $"{number plan.Parameters} parameters"
    + (match plan.MultiplyAdds with
       | Some count -> $", {number count} multiply-adds for one sample"
       | None -> "")

/// The families that a network has, in the order of the legend.
let present (folding: Folding) =
    let found = folding.Parts |> Array.map (familyOf folding) |> Set.ofArray
    families |> List.filter (fun (family, _) -> found.Contains family)

namespace CnnCluster.Dsl

open System.Collections.Generic

/// One layer as `cnn describe` shows it. Counts are for one sample; null while a side is open.
type LayerDescription =
    {
        Name: string
        Kind: string
        Inputs: IReadOnlyList<string>
        /// Sides, then channels.
        Output: IReadOnlyList<System.Nullable<int>>
        OutputText: string
        /// As float32.
        ActivationBytes: System.Nullable<int64>
        Parameters: int64
        Trainable: int64
        MultiplyAdds: System.Nullable<int64>
        /// A side each; the whole input's behind `flatten`; empty for an input without sides.
        ReceptiveField: IReadOnlyList<System.Nullable<int>>
        Activation: string
    }

/// A network as `cnn describe` shows it.
type NetworkDescription =
    {
        Network: string
        /// Each input's name and shape.
        Inputs: IReadOnlyList<struct (string * string)>
        /// Each output's name and the layer or input that it is.
        Outputs: IReadOnlyList<struct (string * string)>
        Layers: IReadOnlyList<LayerDescription>
        Parameters: int64
        Trainable: int64
        MultiplyAdds: System.Nullable<int64>
    }

module Description =
    let private nullable =
        function
        | Some value -> System.Nullable value
        | None -> System.Nullable()

    /// A value's name: that of the input or of the layer that it comes from.
    let nameOf (plan: NetworkPlan) =
        function
        | FromInput i -> plan.Inputs[i].Name
        | FromNode i -> plan.Nodes[i].Path

    /// Where the whole input is seen, its sides; of several inputs, the greatest of each.
    let private whole (plan: NetworkPlan) =
        let sides = plan.Inputs |> List.map _.Shape.Sides
        let rank = sides |> List.map List.length |> List.max

        [ for axis in 0 .. rank - 1 ->
              sides
              |> List.choose (List.tryItem axis)
              |> List.reduce (Option.map2 max)
              |> nullable ]

    let private field (plan: NetworkPlan) =
        function
        | Window sights -> [ for sight in sights -> System.Nullable(int (ceil sight.Size)) ]
        | Whole -> whole plan

    let private layer (plan: NetworkPlan) (node: PlanNode) =
        let output = node.Layer.Output

        let own = if node.Path = node.Owner then node.Layer.Weights else []

        { Name = node.Path
          Kind = node.Kind
          Inputs = node.Inputs |> List.map (nameOf plan)
          Output = List.map nullable output.Sides @ [ System.Nullable output.Channels ]
          OutputText = Shape.text output
          ActivationBytes = output.Elements |> Option.map (fun elements -> 4L * elements) |> nullable
          Parameters = own |> List.sumBy _.Count
          Trainable = own |> List.filter _.Trainable |> List.sumBy _.Count
          MultiplyAdds = nullable node.Layer.MultiplyAdds
          ReceptiveField = field plan node.Layer.Field
          Activation =
            match node.Activation with
            | Some activation when activation.Definition.Name <> node.Kind -> Activation.text activation
            | _ -> "" }

    /// What there is to say of a network without running it.
    let ofPlan (plan: NetworkPlan) =
        let multiplyAdds =
            (Some 0L, plan.Nodes)
            ||> List.fold (fun total node -> Option.map2 (+) total node.Layer.MultiplyAdds)

        { Network = plan.Name
          Inputs = [ for input in plan.Inputs -> struct (input.Name, Shape.text input.Shape) ]
          Outputs = [ for output in plan.Outputs -> struct (output.Name, nameOf plan output.Source) ]
          Layers = plan.Nodes |> List.map (layer plan)
          Parameters = plan.Parameters
          Trainable = plan.Trainable
          MultiplyAdds = nullable multiplyAdds }
